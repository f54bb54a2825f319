#include "mesh/reconcile.h"

#include "test/kernel/mesh_scene.h"
#include "test/kernel/udp.h"

#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using ip::Address;
using ip::Cidr;
using scene::Json;
using scene::Namespace;
using scene::Udp;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

using ReconcileTest = MeshTest;

TEST_F(ReconcileTest, MakesTheMeshFromNothing) {
    const Reconciled result = reconcile(nodes(3));
    EXPECT_EQ(result.self, 0U);
    EXPECT_EQ(result.pod_mtu, 1480U);
    EXPECT_THAT(result.forwarding_turned_on, ElementsAre("u0"));
    EXPECT_THAT(result.changes, Not(IsEmpty()));
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/u0/forwarding"), "1");
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/all/forwarding"), "0");
}

TEST_F(ReconcileTest, ChangesNothingWhereAllIsAsItShouldBe) {
    Settings settings{"podnet"};
    settings.masquerade = true;
    reconcile(nodes(3), settings);
    const Json before = host_.state();
    const Reconciled result = reconcile(nodes(3), settings);
    EXPECT_THAT(result.changes, IsEmpty());
    EXPECT_THAT(result.forwarding_turned_on, IsEmpty());
    EXPECT_EQ(result.pod_mtu, 1480U);
    EXPECT_EQ(host_.state(), before);
}

TEST_F(ReconcileTest, ANodeAloneHasItsEndpointAndNoTunnels) {
    const Reconciled result = reconcile(nodes(1));
    EXPECT_EQ(result.pod_mtu, 1480U);
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(1)));
    EXPECT_THAT(result.forwarding_turned_on, ElementsAre("u0"));
    EXPECT_THAT(reconcile(nodes(1)).changes, IsEmpty());
}

TEST_F(ReconcileTest, FindsItselfWhereverItStandsInTheList) {
    auto list = nodes(3);
    std::swap(list.front(), list.back());
    EXPECT_EQ(reconcile(list).self, 2U);
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
}

TEST_F(ReconcileTest, TakesTheNodeNameForWhoItIs) {
    host_.ip("address add 172.16.5.127/24 dev u0\n"); // two nodes' addresses, as a floating one
    EXPECT_THROW(reconcile(nodes(3)), json::FieldError);
    EXPECT_EQ(mesh::reconcile(route_, nodes(3), "host1", {"podnet"}).self, 0U);
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
}

TEST_F(ReconcileTest, ChangesNothingOnAHostThatIsNotInTheList) {
    const Json before = host_.state();
    EXPECT_THROW(reconcile({node(2), node(3)}), json::FieldError);
    EXPECT_THROW(mesh::reconcile(route_, nodes(3), "host2", {"podnet"}), std::runtime_error);
    EXPECT_EQ(host_.state(), before);
}

/// A change of the cluster or the settings, by its name in the test's.
struct Change {
    std::string name;
    std::function<void(std::vector<Node>&, Settings&)> act;
};

void PrintTo(const Change& change, std::ostream* stream) {
    *stream << change.name;
}

class ChangeTest : public MeshTest, public testing::WithParamInterface<Change> {};

TEST_P(ChangeTest, LeadsToTheMeshThatAFreshHostWouldHave) {
    auto list = nodes(4);
    Settings settings{"podnet"};
    reconcile(list, settings);
    GetParam().act(list, settings);
    EXPECT_THAT(reconcile(list, settings).changes, Not(IsEmpty()));
    EXPECT_EQ(shown_mesh(host_), expected_mesh(list, settings));
    EXPECT_THAT(reconcile(list, settings).changes, IsEmpty());
}

using List = std::vector<Node>;
const std::vector<Change> changes{
    {"NodeAdded", [](List& list, Settings&) { list.push_back(node(5)); }},
    {"NodeRemoved", [](List& list, Settings&) { list.erase(list.begin() + 2); }},
    {"AllOthersRemoved", [](List& list, Settings&) { list.resize(1); }},
    {"PeersAddress", [](List& list, Settings&) { list[1].addresses = node(9).addresses; }},
    {"PeersEndpoint",
     [](List& list, Settings&) { list[1].tunnel_addresses = {Address::parse("10.10.2.99")}; }},
    {"PeersName", [](List& list, Settings&) { list[1].name = "renamed"; }},
    {"PeersPodCidr",
     [](List& list, Settings&) {
         list[1].pod_cidrs = {Cidr::parse("10.20.0.0/16")};
         list[1].tunnel_addresses = {Address::parse("10.20.0.1")};
     }},
    {"PeersSecondPodCidr",
     [](List& list, Settings&) { list[1].pod_cidrs.push_back(Cidr::parse("10.20.0.0/16")); }},
    {"PodCidrMovedToAnotherPeer",
     [](List& list, Settings&) {
         list[1].pod_cidrs.push_back(Cidr::parse("10.20.0.0/16"));
         std::swap(list[1].pod_cidrs, list[2].pod_cidrs);
         std::swap(list[1].tunnel_addresses, list[2].tunnel_addresses);
     }},
    {"PeersSwapAddresses",
     [](List& list, Settings&) { std::swap(list[1].addresses, list[2].addresses); }},
    {"PeersSwapEverythingButTheirPods",
     [](List& list, Settings&) {
         std::swap(list[1].pod_cidrs, list[2].pod_cidrs);
         std::swap(list[1].tunnel_addresses, list[2].tunnel_addresses);
         std::rotate(list.begin() + 1, list.begin() + 2, list.end());
     }},
    {"AllPeersTradeAddresses",
     [](List& list, Settings&) {
         const auto first = list[1].addresses;
         list[1].addresses = list[2].addresses;
         list[2].addresses = list[3].addresses;
         list[3].addresses = first;
     }},
    {"OwnAddress",
     [](List& list, Settings&) { list[0].addresses = {Address::parse("172.16.5.200")}; }},
    {"OwnEndpoint",
     [](List& list, Settings&) { list[0].tunnel_addresses = {Address::parse("10.10.1.99")}; }},
    {"OwnPodCidr",
     [](List& list, Settings&) {
         list[0].pod_cidrs = {Cidr::parse("10.20.0.0/16")};
         list[0].tunnel_addresses = {Address::parse("10.20.0.1")};
     }},
    {"PodCidrTakenOverFromAPeer",
     [](List& list, Settings&) {
         list[0].pod_cidrs.push_back(list[1].pod_cidrs.front());
         list.erase(list.begin() + 1);
     }},
    {"PodCidrGivenToAPeer",
     [](List& list, Settings&) {
         std::swap(list[0].pod_cidrs, list[1].pod_cidrs);
         std::swap(list[0].tunnel_addresses, list[1].tunnel_addresses);
     }},
    {"Ttl", [](List&, Settings& settings) { settings.ttl = 9; }},
    {"Mtu", [](List&, Settings& settings) { settings.mtu = 1300; }},
    {"SourceCheck", [](List&, Settings& settings) { settings.check_source = false; }},
    {"Everything",
     [](List& list, Settings& settings) {
         list = {node(1), node(7), node(8)};
         list[1].addresses.swap(list[2].addresses);
         settings.ttl = 1;
     }},
};
INSTANTIATE_TEST_SUITE_P(Of, ChangeTest, testing::ValuesIn(changes),
                         [](const auto& param) { return param.param.name; });

TEST_F(ReconcileTest, DevicesThatStayAreNotMadeAnew) {
    reconcile(nodes(4));
    const auto before = tunnel_indices(host_);
    auto list = nodes(5);
    list.erase(list.begin() + 1);
    std::swap(list[1].addresses, list[2].addresses);
    reconcile(list);
    const auto after = tunnel_indices(host_);
    for (const int number : {3, 4})
        EXPECT_EQ(after.at(tunnel_to(number)), before.at(tunnel_to(number))) << number;
    EXPECT_FALSE(after.contains(tunnel_to(2)));
    EXPECT_TRUE(after.contains(tunnel_to(5)));
}

TEST_F(ReconcileTest, WhatOthersMadeStays) {
    host_.ip("link add mine type ipip local 192.0.2.1 remote 192.0.2.2 ttl 7\n"
             "link set mine up\n"
             "address add 192.168.7.1 peer 192.168.7.2 dev mine\n"
             "route add 10.77.0.0/16 dev mine\n"
             "route add 10.78.0.0/16 dev u0 proto 93\n"
             "route add unreachable 10.79.0.0/16 metric 4096\n"
             "address add 192.168.8.1/32 dev lo\n"
             "rule add from 10.80.0.0/16 table 7\n");
    const Json before = host_.state();
    reconcile(nodes(3));
    reconcile(nodes(2));
    Json after = host_.state();
    for (const char* what : {"routes", "rules", "nftables"})
        EXPECT_THAT(after.at(what), testing::IsSupersetOf(before.at(what))) << what;
    for (const char* device : {"mine", "u0", "tunl0"})
        EXPECT_EQ(scene::find(after.at("links"), "ifname", device),
                  scene::find(before.at("links"), "ifname", device));
    EXPECT_THAT(
        scene::find(after.at("links"), "ifname", "lo").at("addr_info"),
        testing::IsSupersetOf(scene::find(before.at("links"), "ifname", "lo").at("addr_info")));
}

TEST_F(ReconcileTest, TheMasqueradeRuleComesAndGoesWithItsSetting) {
    const Json before = host_.state().at("nftables");
    Settings settings{"podnet"};
    settings.masquerade = true;
    settings.check_source = false;
    reconcile(nodes(2), settings);
    const Json listed = host_.json("nft -j list table inet ipip-cni");
    Json sets = Json::object();
    for (const Json& entry : listed.at("nftables"))
        if (entry.contains("set"))
            sets[entry.at("set").at("name").get<std::string>()] = entry.at("set").at("elem");
    EXPECT_EQ(sets, Json::parse(R"({
        "node_pods_v4": [{"prefix": {"addr": "10.10.1.0", "len": 24}}],
        "spared_v4": [{"range": ["10.10.1.0", "10.10.2.255"]},
                      {"prefix": {"addr": "224.0.0.0", "len": 4}}]})"));
    settings.masquerade = false;
    EXPECT_THAT(reconcile(nodes(2), settings).changes, ElementsAre("removed the nftables rules"));
    EXPECT_EQ(host_.state().at("nftables"), before);
}

TEST_F(ReconcileTest, MasqueradingTurnsOnForwardingWhereTheDefaultRouteLeads) {
    host_.ip("link add out0 type veth peer name out1\n"
             "link set out0 addrgenmode none\n"
             "link set out0 up\n"
             "address add 192.0.2.2/24 dev out0\n"
             "route add default via 192.0.2.1\n");
    Settings settings{"podnet"};
    EXPECT_THAT(reconcile(nodes(2), settings).forwarding_turned_on, ElementsAre("u0"));
    settings.masquerade = true;
    EXPECT_THAT(reconcile(nodes(2), settings).forwarding_turned_on, ElementsAre("out0"));
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/out0/forwarding"), "1");
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/out1/forwarding"), "0");
}

TEST_F(ReconcileTest, TwoHostsReachEachOtherThroughTheirTunnelsUnderTheirEndpoints) {
    const Namespace second;
    host_.ip("link set far0 netns " + second.path() + '\n');
    second.ip("link set far0 name u0 up\n"
              "address add 172.16.5.127/24 dev u0\n");
    reconcile(nodes(2));
    second.in([] {
        netlink::Socket route;
        mesh::reconcile(route, nodes(2), std::nullopt, {"podnet"});
    });
    auto reversed = expected_mesh({node(2), node(1)});
    EXPECT_EQ(shown_mesh(second), reversed);
    const Udp there(second, "10.10.2.10");
    const Udp here(host_);
    here.send("10.10.2.10", there.port(), "question");
    EXPECT_EQ(there.answer("answer"), (scene::Datagram{"10.10.1.10", "question"}));
    EXPECT_EQ(here.receive(), (scene::Datagram{"10.10.2.10", "answer"}));
}

} // namespace
} // namespace mesh
