#include "test/kernel/mesh_scene.h"

#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using scene::Json;
using scene::Namespace;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

/// What someone with a shell does to the mesh.
struct Damage {
    std::string name;
    std::string commands;    ///< of ip(8)
    std::string sysctl = {}; ///< one that is set to 0
};

void PrintTo(const Damage& damage, std::ostream* stream) {
    *stream << damage.name;
}

class RepairTest : public MeshTest, public testing::WithParamInterface<Damage> {};

TEST_P(RepairTest, IsRepaired) {
    reconcile(nodes(3));
    if (!GetParam().sysctl.empty())
        host_.set_sysctl(GetParam().sysctl, "0");
    EXPECT_NE(shown_mesh(host_, GetParam().commands), expected_mesh(nodes(3)))
        << "no damage was done";
    EXPECT_THAT(reconcile(nodes(3)).changes, Not(IsEmpty()));
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
    EXPECT_THAT(reconcile(nodes(3)).changes, IsEmpty());
}

const std::vector<Damage> damages{
    {"DeviceDown", "link set ipip-ac10057f down\n"},
    {"DeviceDeleted", "link delete ipip-ac10057f\n"},
    {"AllDevicesDeleted", "link delete ipip-ac10057f\nlink delete ipip-ac100580\n"},
    {"DeviceMtu", "link set ipip-ac10057f mtu 1280\n"},
    {"DeviceTtl", "link change ipip-ac10057f type ipip ttl 3\n"},
    {"DevicePathMtuDiscovery", "link change ipip-ac10057f type ipip ttl inherit nopmtudisc\n"},
    {"DeviceLocalAddress", "link change ipip-ac10057f type ipip local 172.16.5.99\n"},
    {"DeviceRemoteAddress", "link change ipip-ac10057f type ipip remote 172.16.5.99\n"},
    {"RemoteAddressesSwapped", "link change ipip-ac10057f type ipip remote 172.16.5.99\n"
                               "link change ipip-ac100580 type ipip remote 172.16.5.127\n"
                               "link change ipip-ac10057f type ipip remote 172.16.5.128\n"},
    {"DeviceAlias", "link set ipip-ac10057f alias podnet/somebody\n"},
    {"DeviceAliasOfPeople", "link set ipip-ac10057f alias uplink\n"},
    {"DeviceWithoutAlias", "link set ipip-ac10057f alias \"\"\n"},
    {"Forwarding", "", "net/ipv4/conf/ipip-ac10057f/forwarding"},
    {"SourceCheck", "", "net/ipv4/conf/ipip-ac10057f/rp_filter"},
    {"AddressDeleted", "address delete 10.10.1.10 peer 10.10.2.10 dev ipip-ac10057f\n"},
    {"AddressesFlushed", "address flush dev ipip-ac10057f\n"},
    {"AddressOfAnotherPeer", "address add 10.10.1.10 peer 10.10.7.10 dev ipip-ac10057f\n"},
    {"EndpointDeleted", "address delete 10.10.1.10/32 dev lo\n"},
    {"EndpointOfAnotherAddress", "address add 10.10.1.77/32 dev lo label lo:ipip\n"},
    {"EndpointAndAllItsAddressesDeleted", "address delete 10.10.1.10/32 dev lo\n"
                                          "address flush dev ipip-ac10057f\n"
                                          "address flush dev ipip-ac100580\n"},
    {"RouteDeleted", "route delete 10.10.2.0/24\n"},
    {"RouteWithoutSource", "route replace 10.10.2.0/24 dev ipip-ac10057f proto 94\n"},
    {"RouteToTheWrongPeer",
     "route replace 10.10.2.0/24 dev ipip-ac100580 proto 94 src 10.10.1.10\n"},
    {"RouteToNoPeersPods", "route add 10.10.99.0/24 dev ipip-ac10057f proto 94\n"},
    {"UnreachableRouteDeleted", "route delete unreachable 10.10.1.0/24 metric 4096\n"},
    {"UnreachableRouteOfOthersPods", "route add unreachable 10.10.99.0/24 metric 4096 proto 94\n"},
};
INSTANTIATE_TEST_SUITE_P(After, RepairTest, testing::ValuesIn(damages),
                         [](const auto& param) { return param.param.name; });

using RepairOfTheHostTest = MeshTest;

TEST_F(RepairOfTheHostTest, ForwardingOnTheUnderlayIsTurnedOnAgain) {
    reconcile(nodes(2));
    host_.set_sysctl("net/ipv4/conf/u0/forwarding", "0");
    EXPECT_THAT(reconcile(nodes(2)).forwarding_turned_on, ElementsAre("u0"));
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/u0/forwarding"), "1");
}

TEST_F(RepairOfTheHostTest, TheMasqueradeRuleIsSetAgain) {
    Settings settings{"podnet"};
    settings.masquerade = true;
    reconcile(nodes(2), settings);
    ASSERT_EQ(host_.run("nft flush ruleset").status, 0);
    EXPECT_THAT(reconcile(nodes(2), settings).changes, ElementsAre("set the nftables rules"));
    EXPECT_EQ(host_.run("nft list chain inet ipip-cni postrouting").status, 0);
}

TEST_F(RepairOfTheHostTest, ALabelOfSomeonesOwnOnATunnelsAddressDoesNoHarm) {
    reconcile(nodes(2));
    host_.ip("address delete 10.10.1.10 peer 10.10.2.10 dev ipip-ac10057f\n"
             "address add 10.10.1.10 peer 10.10.2.10 dev ipip-ac10057f label ipip-ac10057f:x\n");
    reconcile(nodes(2));
    EXPECT_THAT(reconcile(nodes(2)).changes, IsEmpty());
}

TEST_F(RepairOfTheHostTest, AMeshHalfMadeIsMadeWhole) {
    // As a process leaves it that was killed between its system calls.
    host_.ip("link add ipip-ac10057f type ipip local 172.16.5.126 remote 172.16.5.127\n"
             "link add ipip-ac1005ff type ipip local 172.16.5.126 remote 172.16.5.255\n");
    reconcile(nodes(3));
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
    EXPECT_THAT(host_.run("ip -6 address show dev ipip-ac10057f").out, testing::IsEmpty());
}

TEST_F(RepairOfTheHostTest, AnAddressThatSomeoneAddedToATunnelStays) {
    reconcile(nodes(2));
    host_.ip("address add 192.168.7.1/24 dev ipip-ac10057f\n");
    EXPECT_THAT(reconcile(nodes(2)).changes, IsEmpty());
    EXPECT_THAT(shown_mesh(host_).at("tunnels").at("ipip-ac10057f").at("addresses"),
                Contains(Json::parse(R"({"local": "192.168.7.1", "prefixlen": 24, "scope": "global",
                                         "label": "ipip-ac10057f"})")));
}

} // namespace
} // namespace mesh
