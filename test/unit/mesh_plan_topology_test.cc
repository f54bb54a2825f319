#include "test/unit/plan_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

// One device to all peers, and the way there and back.

namespace mesh {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

const std::vector<Node> nodes = numbered_nodes({1, 2, 3});

netlink::Link foreign(const char* local, std::optional<ip::Address> remote) {
    netlink::Link link;
    link.name = "mine";
    link.kind = "ipip";
    link.up = true;
    link.local = ip::Address::parse(local);
    link.remote = remote;
    return link;
}

std::optional<Conflict> conflict(const netlink::Link& other) {
    PlanModel host;
    host.add(other);
    try {
        plan(wanted_shared_by(nodes), host.state());
    } catch (const Conflict& error) {
        return error;
    }
    return {};
}

TEST(PlanShared, IsOneDeviceWithTheEndpointAndARouteForEachPodNetwork) {
    const PlanModel host = standing(wanted_shared_by(nodes));
    ASSERT_THAT(host.state().tunnels, SizeIs(1));
    const netlink::Link& link = host.state().tunnels.front();
    EXPECT_EQ(link.name, "ipip-00000000");
    EXPECT_EQ(link.alias, "podnet/*");
    EXPECT_EQ(link.remote, std::nullopt);
    EXPECT_EQ(link.rp_filter, 1);
    ASSERT_THAT(host.state().addresses, SizeIs(2));
    for (const netlink::InterfaceAddress& address : host.state().addresses) {
        EXPECT_EQ(address.local, nodes[0].tunnel_addresses[0]);
        EXPECT_EQ(address.peer, std::nullopt);
    }
    for (const Node& peer : {nodes[1], nodes[2]})
        EXPECT_TRUE(host.leads_to(peer.addresses[0], peer.pod_cidrs[0])) << peer.name;
}

// Those of one scope are compared with each other by the kernel.
TEST(PlanShared, HasItsRoutesSpreadOverAllScopesThatRoutesMayHave) {
    for (const unsigned length : {16U, 24U, 26U}) {
        Wanted wanted = wanted_shared_by(nodes);
        std::vector<Tunnel::Way>& ways = wanted.tunnels.front().ways;
        ip::Address network = ip::Address::parse("10.64.0.0");
        for (int i = 0; i < 1000; ++i) {
            const ip::Cidr pods(network, length);
            ways.push_back({pods, nodes[1].addresses[0]});
            network = pods.last().next().value();
        }
        std::map<int, int> routes;
        for (const Changes::Route& change : plan(wanted, {}).add_routes)
            if (change.remote)
                ++routes[change.route.scope];
        EXPECT_GE(routes.begin()->first, 1) << "0 is that of all other routes";
        EXPECT_LT(routes.rbegin()->first, 200) << "the rest has a meaning of its own";
        const auto most = std::ranges::max_element(routes, {}, &std::pair<const int, int>::second);
        EXPECT_LE(most->second, 1000 / 199 * 4) << "networks of /" << length;
    }
}

/// Every peer is heard and reached at each step, and in the end all is as if it had always been so.
void become(PlanModel& host, const Wanted& wanted) {
    const Changes changes = plan(wanted, host.state());
    host.apply(changes, [&] {
        for (const Node& peer : {nodes[1], nodes[2]}) {
            EXPECT_TRUE(host.takes_packets_from(peer.addresses[0], peer.pod_cidrs[0]))
                << host.to_string();
            EXPECT_TRUE(host.leads_to(peer.addresses[0], peer.pod_cidrs[0])) << host.to_string();
        }
    });
    EXPECT_TRUE(plan(wanted, host.state()).empty());
    EXPECT_EQ(host.to_string(), standing(wanted).to_string());
}

TEST(PlanShared, TakesThePlaceOfPairsAndGivesItBackWithoutLosingAPacket) {
    PlanModel host = standing(wanted_by(nodes));
    become(host, wanted_shared_by(nodes));
    become(host, wanted_by(nodes));
}

TEST(PlanShared, TakesEndpointsFromDevicesBeforeTheseGo) {
    const PlanModel host = standing(wanted_by(nodes));
    std::vector<ip::Cidr> endpoints;
    for (const netlink::Route& route :
         plan(wanted_shared_by(nodes), host.state()).delete_endpoint_routes)
        endpoints.push_back(route.destination);
    EXPECT_THAT(endpoints, testing::UnorderedElementsAre(ip::Cidr::parse("10.10.2.1/32"),
                                                         ip::Cidr::parse("10.10.3.1/32")));
}

TEST(PlanShared, ChangesPlaceAlsoAsTheSourceCheckIsTurnedOffOrOn) {
    Wanted unchecked = wanted_by(nodes);
    unchecked.rp_filter = mesh::unchecked;
    PlanModel host = standing(wanted_shared_by(nodes));
    become(host, unchecked);
    become(host, wanted_shared_by(nodes));
}

TEST(PlanShared, IsOursAlsoWhereNothingIsWanted) {
    EXPECT_THAT(select_ours(standing(wanted_shared_by(nodes)).state()).tunnels, SizeIs(1));
}

TEST(PlanShared, LoosensAllThatGoesForWhatItHasTakenAlready) {
    const PlanModel host = standing(wanted_shared_by(nodes));
    const Changes changes = plan(wanted_by(nodes), host.state());
    ASSERT_THAT(changes.loosen, SizeIs(1));
    EXPECT_EQ(changes.loosen.front().device, "ipip-00000000");
    EXPECT_EQ(changes.loosen.front().settings.rp_filter, 2);
}

TEST(PlanShared, LoosensNothingWhereTheTopologyStays) {
    PlanModel host = standing(wanted_by(nodes));
    const Changes changes = plan(wanted_by(numbered_nodes({1, 2, 4})), host.state());
    EXPECT_THAT(changes.loosen, testing::IsEmpty());
    EXPECT_THAT(changes.tighten, testing::IsEmpty());
}

TEST(PlanShared, RefusesAnothersDeviceInItsPlace) {
    const auto error = conflict(foreign("172.16.5.1", std::nullopt));
    ASSERT_TRUE(error);
    EXPECT_STREQ(error->what(),
                 "the device mine is a tunnel from 172.16.5.1 to all already, and the kernel "
                 "allows one; remove it (ip link delete mine)");
    EXPECT_THAT(error->obstacles(), SizeIs(0)); // nobody can be reached
}

TEST(PlanShared, RefusesAnothersDeviceThatTakesWhatAPeerSends) {
    for (const char* local : {"172.16.5.1", "0.0.0.0"}) {
        const auto error = conflict(foreign(local, nodes[1].addresses[0]));
        ASSERT_TRUE(error) << local;
        EXPECT_THAT(error->what(), HasSubstr("takes what that peer sends"));
        ASSERT_THAT(error->obstacles(), SizeIs(1));
        EXPECT_EQ(error->obstacles().front().remote, nodes[1].addresses[0]);
    }
    EXPECT_FALSE(conflict(foreign("172.16.5.9", nodes[1].addresses[0])));
    EXPECT_FALSE(conflict(foreign("0.0.0.0", std::nullopt))); // the kernel's own tunl0
}

} // namespace
} // namespace mesh
