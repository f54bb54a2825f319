#include "mesh/plan.h"
#include "test/kernel/mesh_scene.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using ip::Address;
using scene::Json;

/// A second way out besides u0: u1, 172.16.6.126/24.
class MtuTest : public MeshTest {
  protected:
    MtuTest() {
        host_.ip("link add u1 type veth peer name far1\n"
                 "link set u1 addrgenmode none\n"
                 "link set u1 up\n"
                 "link set far1 addrgenmode none\n"
                 "link set far1 up\n"
                 "address add 172.16.6.126/24 dev u1\n");
    }

    /// The MTU of the tunnel to each peer, in their order.
    std::vector<int> mtus(int count) const {
        const Json mesh = shown_mesh(host_);
        std::vector<int> result;
        for (int number = 2; number <= count; ++number)
            result.push_back(mesh.at("tunnels").at(tunnel_to(number)).at("mtu"));
        return result;
    }
};

TEST_F(MtuTest, IsThatOfTheDeviceLessTheOuterHeader) {
    for (const auto& [device, tunnel] : {std::pair(1500, 1480), {9000, 8980}, {1280, 1260}}) {
        host_.ip("link set u0 mtu " + std::to_string(device) + '\n');
        EXPECT_EQ(reconcile(nodes(2)).pod_mtu, static_cast<unsigned>(tunnel));
        EXPECT_EQ(mtus(2), std::vector{tunnel});
    }
}

TEST_F(MtuTest, IsThatOfTheRouteToThePeerWhereItHasOne) {
    host_.ip("route add 172.16.5.127/32 dev u0 mtu 1400\n"
             "route add 172.16.5.128/32 dev u0 mtu lock 1300\n");
    EXPECT_EQ(reconcile(nodes(4)).pod_mtu, 1280U);
    EXPECT_EQ(mtus(4), (std::vector{1380, 1280, 1480}));
}

TEST_F(MtuTest, IsTheDevicesWhereTheRoutePromisesMore) {
    host_.ip("route add 172.16.5.127/32 dev u0 mtu 9000\n");
    EXPECT_EQ(reconcile(nodes(2)).pod_mtu, 1480U);
    EXPECT_EQ(mtus(2), std::vector{1480});
}

TEST_F(MtuTest, IsFoundForEachPeerByItsOwnWay) {
    host_.ip("link set u1 mtu 9000\n"
             "route add 172.16.5.127/32 via 172.16.6.1\n");
    EXPECT_EQ(reconcile(nodes(3)).pod_mtu, 1480U);
    EXPECT_EQ(mtus(3), (std::vector{8980, 1480}));
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/u1/forwarding"), "1");
}

TEST_F(MtuTest, IsTheLeastOfAMultipathRoutesWays) {
    host_.ip("link set u1 mtu 1450\n"
             "route add 172.16.5.127/32 nexthop dev u0 nexthop via 172.16.6.1\n");
    EXPECT_EQ(reconcile(nodes(2)).pod_mtu, 1430U);
}

TEST_F(MtuTest, IsThatOfTheOwnDeviceForAPeerWithoutARoute) {
    auto list = nodes(2);
    list[1].addresses = {Address::parse("192.0.2.1")};
    EXPECT_EQ(reconcile(list).pod_mtu, 1480U);
    EXPECT_EQ(shown_mesh(host_), expected_mesh(list));
}

TEST_F(MtuTest, IsEachPeersOwnHoweverManyThereAreAndWhicheverHasNoRoute) {
    constexpr int count = 200; // more than are asked for at once
    const auto place = [](int number) { return "172.17.0." + std::to_string(number); };
    auto list = nodes(1);
    for (int number = 1; number <= count; ++number) {
        const std::string pods = "10.20." + std::to_string(number);
        list.push_back({.name = "far" + std::to_string(number),
                        .addresses = {Address::parse(place(number))},
                        .pod_cidrs = {ip::Cidr::parse(pods + ".0/24")},
                        .tunnel_addresses = {Address::parse(pods + ".1")}});
    }
    std::string routes = "route add 172.17.0.0/24 via 172.16.5.1\n"
                         "route add unreachable " +
                         place(20) + '\n';
    for (const auto& [number, mtu] : {std::pair(10, 1400), {19, 1300}, {count, 1200}})
        routes +=
            "route add " + place(number) + " via 172.16.5.1 mtu " + std::to_string(mtu) + '\n';
    host_.ip(routes);
    EXPECT_EQ(reconcile(list).pod_mtu, 1180U);
    const Json mesh = shown_mesh(host_).at("tunnels");
    for (int number = 1; number <= count; ++number)
        EXPECT_EQ(mesh.at(device_name(Address::parse(place(number)))).at("mtu"),
                  number == 10      ? 1380
                  : number == 19    ? 1280
                  : number == count ? 1180
                                    : 1480)
            << number;
}

TEST_F(MtuTest, FollowsTheUnderlay) {
    reconcile(nodes(3));
    host_.ip("link set u0 mtu 1400\n");
    EXPECT_EQ(reconcile(nodes(3)).pod_mtu, 1380U);
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3), {"podnet"}, 1380));
    host_.ip("link set u0 mtu 1500\n");
    EXPECT_EQ(reconcile(nodes(3)).pod_mtu, 1480U);
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
}

TEST_F(MtuTest, IsWhatTheSettingsSayWhateverTheUnderlay) {
    Settings settings{"podnet"};
    settings.mtu = 1300;
    host_.ip("link set u0 mtu 9000\n");
    EXPECT_EQ(reconcile(nodes(2), settings).pod_mtu, 1300U);
    EXPECT_EQ(mtus(2), std::vector{1300});
    EXPECT_EQ(reconcile(nodes(1), settings).pod_mtu, 1300U);
}

TEST_F(MtuTest, IsNeverLessThanEveryLinkCarries) {
    host_.ip("route add 172.16.5.127/32 dev u0 mtu 70\n");
    EXPECT_EQ(reconcile(nodes(2)).pod_mtu, 68U);
    EXPECT_EQ(mtus(2), std::vector{68});
}

} // namespace
} // namespace mesh
