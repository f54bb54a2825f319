#include "netlink/link.h"
#include "netlink/socket.h"
#include "test/kernel/scene.h"

#include <algorithm>
#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netlink {
namespace {

using ip::Address;
using scene::Json;
using scene::Namespace;
using testing::Contains;
using testing::Not;

const TunnelDevice tunnel{.name = "ipip-ac10057f",
                          .alias = "podnet/host2",
                          .local = Address::parse("172.16.5.126"),
                          .remote = Address::parse("172.16.5.127"),
                          .ttl = 64,
                          .mtu = 1400};

class TunnelDeviceTest : public testing::Test {
  protected:
    int number_of(Request request) {
        const auto answer = socket_.exchange(std::move(request));
        return answer.error ? answer.error->number() : 0;
    }

    Json shown(const std::string& name) const {
        return scene::find(host_.json("ip -j -d link show"), "ifname", name);
    }

    static void expect_is(const Json& link, const TunnelDevice& wanted) {
        ASSERT_FALSE(link.is_null());
        EXPECT_EQ(link.at("linkinfo").at("info_kind"), "ipip");
        const Json data = link.at("linkinfo").at("info_data");
        EXPECT_EQ(data.at("local"), wanted.local.to_string());
        EXPECT_EQ(data.at("remote"), wanted.remote->to_string());
        EXPECT_EQ(data.value("ttl", 0), wanted.ttl);
        EXPECT_EQ(data.at("pmtudisc"), true);
        EXPECT_EQ(link.at("mtu"), wanted.mtu);
    }

    Namespace host_;
    scene::Visit inside_{host_};
    Socket socket_;
};

TEST_F(TunnelDeviceTest, MakesADeviceThatIsDown) {
    socket_.run(make_tunnel(tunnel));
    const Json link = shown("ipip-ac10057f");
    expect_is(link, tunnel);
    EXPECT_THAT(link.at("flags"), Not(Contains("UP")));
}

TEST_F(TunnelDeviceTest, ChangesAllOfADeviceAndBringsItUp) {
    socket_.run(make_tunnel(tunnel));
    const TunnelDevice changed{.name = "ipip-ac10057f",
                               .alias = "othernet/host3",
                               .local = Address::parse("172.16.6.126"),
                               .remote = Address::parse("172.16.6.127"),
                               .ttl = 3,
                               .mtu = 8980};
    socket_.run(change_tunnel(changed));
    const Json link = shown("ipip-ac10057f");
    expect_is(link, changed);
    EXPECT_EQ(link.at("ifalias"), "othernet/host3");
    EXPECT_THAT(link.at("flags"), Contains("UP"));
}

TEST_F(TunnelDeviceTest, GivesAnExistingDevicePathMtuDiscovery) {
    host_.ip(
        "link add ipip-ac10057f type ipip local 172.16.5.126 remote 172.16.5.127 nopmtudisc\n");
    EXPECT_FALSE(to_link(socket_.find(get_link("ipip-ac10057f"))).path_mtu_discovery);
    socket_.run(change_tunnel(tunnel));
    expect_is(shown("ipip-ac10057f"), tunnel);
}

TEST_F(TunnelDeviceTest, HasPathMtuDiscoveryAlsoWithTheInnerTtl) {
    TunnelDevice inherits = tunnel; // a ttl of its own would force it anyway
    inherits.ttl = 0;
    socket_.run(make_tunnel(inherits));
    expect_is(shown("ipip-ac10057f"), inherits);
}

TEST_F(TunnelDeviceTest, TakesTheLongestAliasThatTheKernelHas) {
    socket_.run(make_tunnel(tunnel));
    TunnelDevice named = tunnel;
    named.alias = std::string(255, 'x');
    socket_.run(change_tunnel(named));
    EXPECT_EQ(shown("ipip-ac10057f").at("ifalias"), named.alias);
}

TEST_F(TunnelDeviceTest, ChangesNothingOfADeviceThatHasTheName) {
    socket_.run(make_tunnel(tunnel));
    TunnelDevice second = tunnel;
    second.remote = Address::parse("172.16.5.128");
    EXPECT_EQ(number_of(make_tunnel(second)), EEXIST);
    expect_is(shown("ipip-ac10057f"), tunnel);
}

TEST_F(TunnelDeviceTest, TheKernelAllowsOneDeviceAPairOfAddresses) {
    socket_.run(make_tunnel(tunnel));
    TunnelDevice second = tunnel;
    second.name = "ipip-other";
    EXPECT_EQ(number_of(make_tunnel(second)), EEXIST);
    EXPECT_TRUE(shown("ipip-other").is_null());
}

TEST_F(TunnelDeviceTest, ReadsADeviceAsItIs) {
    host_.ip("link add t0 type ipip local 192.0.2.1 remote 192.0.2.2 ttl 7\n"
             "link set t0 mtu 1234 alias by-hand\n"
             "link set t0 up\n");
    const Link link = to_link(socket_.find(get_link("t0")));
    EXPECT_EQ(link.name, "t0");
    EXPECT_EQ(link.kind, "ipip");
    EXPECT_EQ(link.alias, "by-hand");
    EXPECT_EQ(link.local, Address::parse("192.0.2.1"));
    EXPECT_EQ(link.remote, Address::parse("192.0.2.2"));
    EXPECT_EQ(link.ttl, 7);
    EXPECT_EQ(link.mtu, 1234U);
    EXPECT_TRUE(link.path_mtu_discovery);
    EXPECT_TRUE(link.up);
}

TEST_F(TunnelDeviceTest, DumpsAllIpipDevicesAndOnlyThose) {
    socket_.run(make_tunnel(tunnel));
    host_.ip("link add t0 type ipip local 192.0.2.1 remote 192.0.2.2\n"
             "link add v0 type veth peer name v1\n");
    std::vector<std::string> names;
    for (const Link& link : dump_links(socket_, "ipip"))
        names.push_back(link.name);
    // tunl0 comes with the module in the namespace, unless a setting of the machine's keeps it
    // away.
    std::erase(names, "tunl0");
    EXPECT_THAT(names, testing::UnorderedElementsAre("ipip-ac10057f", "t0"));
}

TEST_F(TunnelDeviceTest, DumpsMoreDevicesThanOneBufferHolds) {
    std::vector<Request> requests;
    for (int i = 0; i < 300; ++i) {
        TunnelDevice device = tunnel;
        device.name = std::string("t").append(std::to_string(i)); // g++ 12 warns of operator+ here
        device.remote =
            Address::parse("10." + std::to_string(i / 250) + ".0." + std::to_string(i % 250));
        requests.push_back(make_tunnel(device));
    }
    socket_.run(requests);
    const auto found = std::ranges::count_if(dump_links(socket_, "ipip"), [](const Link& link) {
        return link.local == tunnel.local && link.mtu == tunnel.mtu;
    });
    EXPECT_EQ(found, 300);
}

} // namespace
} // namespace netlink
