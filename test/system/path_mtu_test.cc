#include "test/system/cluster.h"

#include <gtest/gtest.h>

namespace scene {
namespace {

/// Two hosts with a router between them, whose link to the second carries 1400 bytes while the
/// hosts' own devices carry 1500.
class NarrowPath : public ::testing::Test {
  protected:
    void SetUp() override {
        router.ip("link add left mtu 1500 type veth peer name eth0 mtu 1500 netns " +
                  one.net().path() +
                  "\nlink add right mtu 1400 type veth peer name eth0 mtu 1500 netns " +
                  two.net().path() +
                  "\naddress add 172.16.5.1/24 dev left\naddress add 172.16.6.1/24 dev right\n"
                  "link set left up\nlink set right up\n");
        router.set_sysctl("net/ipv4/ip_forward", "1");
        one.net().ip("address add 172.16.5.126/24 dev eth0\nlink set eth0 up\n"
                     "route add default via 172.16.5.1\n");
        two.net().ip("address add 172.16.6.127/24 dev eth0\nlink set eth0 up\n"
                     "route add default via 172.16.6.1\n");
    }

    Namespace router;
    Host one{"host1"};
    Host two{"host2"};
    const std::string config = Cluster::config(
        {{{"name", "host1"}, {"addresses", {"172.16.5.126"}}, {"podCIDRs", {"10.10.100.0/24"}}},
         {{"name", "host2"}, {"addresses", {"172.16.6.127"}}, {"podCIDRs", {"10.10.200.0/24"}}}});
    Pod first{"first"};
    Pod second{"second"};
};

TEST_F(NarrowPath, CarriesBigTransfersThoughTheDevicesPromiseMore) {
    const std::string from = address_of(one.add(first, config));
    const std::string to = address_of(two.add(second, config));
    EXPECT_EQ(one.net().ip("link show dev ipip-ac10067f\n").at(0).at(0).at("mtu"), 1480);
    const Transfer there = transfer(first.net, second.net, to, 1 << 20);
    EXPECT_EQ(there.received, 1U << 20);
    EXPECT_EQ(there.segment, 1400 - 20 - 20 - 20 - 12) << "the sender has learned the path's MTU";
}

TEST_F(NarrowPath, TellsASenderOfDatagramsThatTheyAreTooBig) {
    one.add(first, config);
    const std::string to = address_of(two.add(second, config));
    // The first ones teach the host, then the pod; "-M do" forbids fragments, so what fits in
    // the end is what the narrow link carries: 1400, less the outer header.
    const Output big = first.net.run("ping -n -c 4 -i 0.2 -W 3 -M do -s 1400 " + to);
    EXPECT_NE((big.out + big.err).find("mtu=1380"), std::string::npos) << big.out << big.err;
    EXPECT_EQ(first.net.run("ping -n -c 1 -W 5 -M do -s 1352 " + to).status, 0);
}

} // namespace
} // namespace scene
