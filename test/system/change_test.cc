#include "test/system/cluster.h"

#include <gmock/gmock.h>

namespace scene {
namespace {

std::vector<std::string> tunnels(const Host& host) {
    std::vector<std::string> names;
    const auto shown = host.net().ip("link show type ipip\n");
    for (const Json& link : shown.at(0))
        if (link.contains("ifname") && link.at("ifname") != "tunl0")
            names.push_back(link.at("ifname"));
    return names;
}

Json routes_to(const Host& host, const std::string& destination) {
    const auto shown = host.net().ip("route show " + destination + "\n");
    return shown.empty() ? Json::array() : shown.at(0);
}

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(ChangedNodes, ANodeThatIsAddedGetsItsTunnelWithTheNextAdd) {
    Cluster cluster(3);
    Json two = cluster.nodes();
    two.erase(2);
    const Pod before("before"), after("after"), far("far");
    cluster.host(1).add(before, Cluster::config(two));
    EXPECT_THAT(tunnels(cluster.host(1)), ElementsAre("ipip-ac10057f"));
    cluster.host(1).add(after, cluster.config());
    const std::string there = address_of(cluster.host(3).add(far, cluster.config()));
    EXPECT_THAT(tunnels(cluster.host(1)), UnorderedElementsAre("ipip-ac10057f", "ipip-ac100580"));
    EXPECT_TRUE(reaches(before.net, there));
}

TEST(ChangedNodes, ANodeThatIsRemovedLosesItsTunnelAndRoutesWhileOthersKeepTheirs) {
    Cluster cluster(3);
    const Pod before("before"), after("after"), far("far");
    cluster.host(1).add(before, cluster.config());
    const std::string there = address_of(cluster.host(3).add(far, cluster.config()));
    const Json kept = cluster.host(1).net().ip("link show dev ipip-ac100580\n").at(0);
    Json without_second = cluster.nodes();
    without_second.erase(1);
    cluster.host(1).add(after, Cluster::config(without_second));
    EXPECT_THAT(tunnels(cluster.host(1)), ElementsAre("ipip-ac100580"));
    EXPECT_THAT(routes_to(cluster.host(1), "10.10.200.0/24"), IsEmpty());
    EXPECT_EQ(cluster.host(1).net().ip("link show dev ipip-ac100580\n").at(0).at(0).at("ifindex"),
              kept.at(0).at("ifindex"));
    EXPECT_TRUE(reaches(before.net, there));
}

TEST(ChangedNodes, ThePodsStayReachableWhenTheOnlyPeerIsReplacedByAnother) {
    Cluster cluster(3);
    Json with_second = cluster.nodes(), with_third = cluster.nodes();
    with_second.erase(2);
    with_third.erase(1);
    const Pod before("before"), after("after");
    const std::string address =
        address_of(cluster.host(1).add(before, Cluster::config(with_second)));
    cluster.host(1).add(after, Cluster::config(with_third));
    EXPECT_TRUE(reaches(cluster.host(1).net(), address));
    EXPECT_THAT(tunnels(cluster.host(1)), ElementsAre("ipip-ac100580"));
}

TEST(ChangedNodes, ANodesNewAddressGetsANewTunnelAndTheOldOneGoes) {
    Cluster cluster(2);
    const Pod before("before"), after("after"), far("far"), far_after("far-after");
    cluster.host(1).add(before, cluster.config());
    const std::string there = address_of(cluster.host(2).add(far, cluster.config()));
    ASSERT_TRUE(reaches(before.net, there));
    cluster.host(2).net().ip("address flush dev eth0\naddress add 172.16.5.200/24 dev eth0\n");
    Json moved = cluster.nodes();
    moved[1]["addresses"] = {"172.16.5.200"};
    cluster.host(1).add(after, Cluster::config(moved));
    cluster.host(2).add(far_after, Cluster::config(moved));
    EXPECT_THAT(tunnels(cluster.host(1)), ElementsAre("ipip-ac1005c8"));
    EXPECT_EQ(routes_to(cluster.host(1), "10.10.200.0/24").at(0).at("dev"), "ipip-ac1005c8");
    EXPECT_TRUE(reaches(before.net, there));
}

TEST(ChangedNodes, ANodesNewPodNetworkGetsItsRouteAndTheOldOneGoes) {
    Cluster cluster(2);
    const Pod before("before"), after("after");
    cluster.host(1).add(before, cluster.config());
    Json changed = cluster.nodes();
    changed[1]["podCIDRs"] = {"10.10.201.0/24", "10.10.202.0/24"};
    changed[1]["tunnelAddresses"] = {"10.10.201.10"};
    cluster.host(1).add(after, Cluster::config(changed));
    EXPECT_THAT(routes_to(cluster.host(1), "10.10.200.0/24"), IsEmpty());
    for (const char* destination : {"10.10.201.0/24", "10.10.202.0/24"})
        EXPECT_EQ(routes_to(cluster.host(1), destination).at(0).at("dev"), "ipip-ac10057f");
    const Json device = cluster.host(1).net().ip("address show dev ipip-ac10057f\n").at(0).at(0);
    ASSERT_EQ(device.at("addr_info").size(), 1U);
    EXPECT_EQ(device.at("addr_info")[0].at("address"), "10.10.201.10");
}

TEST(ChangedNodes, TwoNodesThatSwapAddressesSwapTheirRoutes) {
    Cluster cluster(3);
    const Pod before("before"), after("after");
    cluster.host(1).add(before, cluster.config());
    Json swapped = cluster.nodes();
    std::swap(swapped[1]["addresses"], swapped[2]["addresses"]);
    cluster.host(1).add(after, Cluster::config(swapped));
    EXPECT_EQ(routes_to(cluster.host(1), "10.10.200.0/24").at(0).at("dev"), "ipip-ac100580");
    EXPECT_EQ(routes_to(cluster.host(1), "10.10.3.0/24").at(0).at("dev"), "ipip-ac10057f");
    EXPECT_EQ(cluster.host(1).net().ip("link show dev ipip-ac10057f\n").at(0).at(0).at("ifalias"),
              "podnet/host3");
}

TEST(ChangedNodes, WhatOthersMadeStays) {
    Cluster cluster(3);
    const Namespace& host = cluster.host(1).net();
    host.ip("link add ipip-foo type ipip local 172.16.5.126 remote 172.16.5.250\n"
            "link set ipip-foo addrgenmode none\nlink set ipip-foo up\n"
            "address add 192.0.2.1 peer 192.0.2.2 dev ipip-foo\n"
            "route add 192.0.2.128/25 dev ipip-foo\n"
            "route add 198.51.100.0/24 via 172.16.5.127\n");
    const Pod before("before"), after("after");
    Json two = cluster.nodes();
    two.erase(1);
    cluster.host(1).add(before, cluster.config());
    cluster.host(1).add(after, Cluster::config(two));
    cluster.host(1).del(before, Cluster::config(two));
    cluster.host(1).del(after, Cluster::config(two));
    EXPECT_THAT(tunnels(cluster.host(1)), ElementsAre("ipip-foo"));
    EXPECT_EQ(routes_to(cluster.host(1), "192.0.2.128/25").size(), 1U);
    EXPECT_EQ(routes_to(cluster.host(1), "198.51.100.0/24").size(), 1U);
    EXPECT_EQ(host.ip("address show dev ipip-foo\n").at(0).at(0).at("addr_info").size(), 1U);
}

TEST(DamagedMesh, IsMendedByTheNextAdd) {
    Cluster cluster(3);
    const Host& host = cluster.host(1);
    const Pod far("far");
    const std::string there = address_of(cluster.host(2).add(far, cluster.config()));
    const std::vector<std::string> damages{
        "link delete ipip-ac10057f\n", "link set ipip-ac10057f down\n",
        "route delete 10.10.200.0/24\n", "address flush dev ipip-ac10057f\n"};
    for (const std::string& damage : damages) {
        const Pod first("first"), next("next");
        host.add(first, cluster.config());
        host.net().ip(damage);
        host.add(next, cluster.config());
        EXPECT_TRUE(reaches(next.net, there)) << damage;
        host.del(first, cluster.config());
        host.del(next, cluster.config());
    }
}

} // namespace
} // namespace scene
