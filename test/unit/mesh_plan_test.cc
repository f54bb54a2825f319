#include "test/unit/plan_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using netlink::IfExists;
using netlink::InterfaceAddress;
using netlink::Route;
using netlink::TunnelDevice;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

ip::Address address(std::string_view text) {
    return ip::Address::parse(text);
}
ip::Cidr cidr(std::string_view text) {
    return ip::Cidr::parse(text);
}

// The scene of the documentation: this is host1 and the peer host2.
const std::vector<Node> two{{.name = "host1",
                             .addresses = {address("172.16.5.126")},
                             .pod_cidrs = {cidr("10.10.100.0/24")},
                             .tunnel_addresses = {address("10.10.100.10")}},
                            {.name = "host2",
                             .addresses = {address("172.16.5.127")},
                             .pod_cidrs = {cidr("10.10.200.0/24")},
                             .tunnel_addresses = {address("10.10.200.10")}}};
const TunnelDevice to_host2{.name = "ipip-ac10057f",
                            .alias = "podnet/host2",
                            .local = address("172.16.5.126"),
                            .remote = address("172.16.5.127"),
                            .ttl = 64,
                            .mtu = 1480};

/// What the kernel answers once all of it stands, the device being its number `index`.
Observed two_standing(int index) {
    netlink::Link link{.index = index,
                       .name = "ipip-ac10057f",
                       .kind = "ipip",
                       .alias = "podnet/host2",
                       .mac = {},
                       .mtu = 1480,
                       .up = true,
                       .peer_index = 0,
                       .forwarding = true,
                       .rp_filter = 1,
                       .local = address("172.16.5.126"),
                       .remote = address("172.16.5.127"),
                       .ttl = 64,
                       .path_mtu_discovery = true};
    return {
        .tunnels = {link},
        .addresses =
            {{.link = 1, .local = address("127.0.0.1"), .peer = {}, .prefix = 8, .label = "lo"},
             {.link = 1,
              .local = address("10.10.100.10"),
              .peer = {},
              .prefix = 32,
              .label = "lo:ipip",
              .link_scope = true},
             {.link = 2,
              .local = address("172.16.5.126"),
              .peer = {},
              .prefix = 24,
              .label = "eth0"},
             {.link = index,
              .local = address("10.10.100.10"),
              .peer = address("10.10.200.10"),
              .prefix = 32,
              .label = "ipip-ac10057f"}},
        .routes = {{.destination = cidr("10.10.200.0/24"),
                    .link = index,
                    .source = address("10.10.100.10"),
                    .protocol = 94},
                   {.destination = cidr("10.10.100.0/24"),
                    .metric = 4096,
                    .protocol = 94,
                    .unreachable = true},
                   {.destination = cidr("10.10.100.11/32"), .link = 9, .protocol = 94}}}; // a pod's
}

/// How many changes there are of each kind, as "make 1, add_routes 2".
std::string count(const Changes& changes) {
    std::string text;
    const auto add = [&](const char* name, const auto& list) {
        if (!list.empty())
            text +=
                (text.empty() ? "" : ", ") + std::string(name) + ' ' + std::to_string(list.size());
    };
    add("delete_first", changes.delete_first);
    add("make", changes.make);
    add("change", changes.change);
    add("configure", changes.configure);
    add("add_addresses", changes.add_addresses);
    add("add_routes", changes.add_routes);
    add("delete_routes", changes.delete_routes);
    add("delete_addresses", changes.delete_addresses);
    add("delete_devices", changes.delete_devices);
    return text;
}

/// Plans for `nodes` on a host where `before` stands, makes sure that carrying it out leads there,
/// and returns the plan.
Changes step(const std::vector<Node>& before, const std::vector<Node>& nodes) {
    PlanModel host = standing(wanted_by(before));
    const Changes changes = plan(wanted_by(nodes), host.state());
    host.apply(changes);
    EXPECT_EQ(host.to_string(), standing(wanted_by(nodes)).to_string());
    return changes;
}

TEST(Plan, NamesADeviceByTheAddressOfThePeer) {
    EXPECT_EQ(device_name(address("172.16.5.127")), "ipip-ac10057f");
    EXPECT_EQ(device_name(address("0.0.0.0")), "ipip-00000000");
    EXPECT_EQ(device_name(address("255.255.255.255")).size(), 13U);
    EXPECT_EQ(device_alias("podnet", "host2"), "podnet/host2");
}

TEST(Plan, MakesEverythingOutOfNothing) {
    const Changes changes = plan(wanted_by(two), {});
    EXPECT_THAT(changes.make, ElementsAre(to_host2));
    ASSERT_THAT(changes.configure, SizeIs(1));
    EXPECT_EQ(changes.configure[0].device, "ipip-ac10057f");
    EXPECT_EQ(changes.configure[0].settings.alias, "podnet/host2");
    EXPECT_EQ(changes.configure[0].settings.forwarding, true);
    EXPECT_EQ(changes.configure[0].settings.rp_filter, 1);
    EXPECT_TRUE(changes.configure[0].settings.up);

    ASSERT_THAT(changes.add_addresses, SizeIs(2));
    EXPECT_EQ(changes.add_addresses[0].device, "lo");
    EXPECT_EQ(changes.add_addresses[0].address, two_standing(0).addresses[1]);
    EXPECT_EQ(changes.add_addresses[1].device, "ipip-ac10057f");
    EXPECT_EQ(changes.add_addresses[1].address, two_standing(0).addresses[3]);

    ASSERT_THAT(changes.add_routes, SizeIs(2));
    EXPECT_EQ(changes.add_routes[0].device, "ipip-ac10057f");
    EXPECT_EQ(changes.add_routes[0].route, two_standing(0).routes[0]);
    EXPECT_EQ(changes.add_routes[0].if_exists, IfExists::fail);
    EXPECT_EQ(changes.add_routes[1].device, "");
    EXPECT_EQ(changes.add_routes[1].route, two_standing(0).routes[1]);
    EXPECT_EQ(changes.add_routes[1].if_exists, IfExists::fail);
    EXPECT_EQ(count(changes), "make 1, configure 1, add_addresses 2, add_routes 2");
}

TEST(Plan, ChangesNothingWhereAllStands) {
    const Changes changes = plan(wanted_by(two), two_standing(7));
    EXPECT_EQ(count(changes), "");
    EXPECT_TRUE(changes.empty());
}

TEST(Plan, OfANodeWithoutPeersHasItsEndpointAlone) {
    const Changes changes = plan(wanted_by(numbered_nodes({1})), {});
    EXPECT_EQ(count(changes), "add_addresses 1, add_routes 1");
    EXPECT_EQ(changes.add_addresses[0].address.local, address("10.10.1.1"));
    EXPECT_TRUE(changes.add_routes[0].route.unreachable);
    EXPECT_EQ(count(step(numbered_nodes({1}), numbered_nodes({1}))), "");
}

TEST(Plan, AddsAPeerAndTouchesNoOther) {
    const Changes changes = step(numbered_nodes({1, 2}), numbered_nodes({1, 2, 3}));
    EXPECT_EQ(count(changes), "make 1, configure 1, add_addresses 1, add_routes 1");
    EXPECT_EQ(changes.make[0].name, "ipip-ac100503");
    EXPECT_EQ(changes.add_routes[0].route.destination, cidr("10.10.3.0/24"));
}

TEST(Plan, RemovesAPeerWithItsDevice) {
    const Changes changes = step(numbered_nodes({1, 2, 3}), numbered_nodes({1, 3}));
    EXPECT_EQ(count(changes), "delete_devices 1"); // which takes addresses and routes along
    EXPECT_THAT(changes.delete_devices, ElementsAre("ipip-ac100502"));
}

TEST(Plan, MovesTheRouteOfAPeerWhoseAddressChanged) {
    std::vector<Node> after = numbered_nodes({1, 2, 3});
    after[1].addresses = {address("172.16.5.99")};
    const Changes changes = step(numbered_nodes({1, 2, 3}), after);
    EXPECT_EQ(count(changes),
              "make 1, configure 1, add_addresses 1, add_routes 1, delete_devices 1");
    EXPECT_EQ(changes.add_routes[0].device, "ipip-ac100563");
    EXPECT_EQ(changes.add_routes[0].if_exists, IfExists::replace);
    EXPECT_THAT(changes.delete_devices, ElementsAre("ipip-ac100502"));
}

TEST(Plan, ReplacesTheRouteOfAPeerWhoseCidrChanged) {
    std::vector<Node> after = numbered_nodes({1, 2});
    after[1].pod_cidrs = {cidr("10.10.77.0/24"), cidr("10.10.2.0/24")};
    EXPECT_EQ(count(step(numbered_nodes({1, 2}), after)), "add_routes 1");
    after[1].pod_cidrs = {cidr("10.10.77.0/24")};
    const Changes changes = step(numbered_nodes({1, 2}), after);
    EXPECT_EQ(count(changes), "add_routes 1, delete_routes 1");
    EXPECT_EQ(changes.add_routes[0].route.destination, cidr("10.10.77.0/24"));
    EXPECT_EQ(changes.delete_routes[0].destination, cidr("10.10.2.0/24"));
}

TEST(Plan, GivesADeviceTheNewEndpointOfItsPeer) {
    std::vector<Node> after = numbered_nodes({1, 2});
    after[1].tunnel_addresses = {address("10.10.2.9")};
    const Changes changes = step(numbered_nodes({1, 2}), after);
    EXPECT_EQ(count(changes), "add_addresses 1, delete_addresses 1");
    EXPECT_EQ(changes.add_addresses[0].address.peer, address("10.10.2.9"));
    EXPECT_EQ(changes.delete_addresses[0].peer, address("10.10.2.1"));
}

TEST(Plan, ChangesTheSourceOfEveryRouteWithTheOwnEndpoint) {
    std::vector<Node> after = numbered_nodes({1, 2, 3});
    after[0].tunnel_addresses = {address("10.10.1.9")};
    const Changes changes = step(numbered_nodes({1, 2, 3}), after);
    EXPECT_EQ(count(changes), "add_addresses 3, add_routes 2, delete_addresses 3");
    for (const auto& route : changes.add_routes) {
        EXPECT_EQ(route.route.source, address("10.10.1.9"));
        EXPECT_EQ(route.if_exists, IfExists::replace);
    }
}

TEST(Plan, MovesEveryTunnelToTheOwnNewAddress) {
    std::vector<Node> after = numbered_nodes({1, 2, 3});
    after[0].addresses = {address("172.16.5.99")};
    const Changes changes = step(numbered_nodes({1, 2, 3}), after);
    EXPECT_EQ(count(changes), "change 2");
    for (const TunnelDevice& device : changes.change)
        EXPECT_EQ(device.local, address("172.16.5.99"));
}

TEST(Plan, MovesTheUnreachableRouteWithTheOwnCidr) {
    std::vector<Node> after = numbered_nodes({1, 2});
    after[0].pod_cidrs = {cidr("10.10.1.0/24"), cidr("10.10.77.0/24")};
    EXPECT_EQ(count(step(numbered_nodes({1, 2}), after)), "add_routes 1");
    EXPECT_EQ(count(step(after, numbered_nodes({1, 2}))), "delete_routes 1");
}

TEST(Plan, MovesRoutesAndAddressesWhereTwoPeersSwapTheirAddresses) {
    std::vector<Node> after = numbered_nodes({1, 2, 3});
    std::swap(after[1].addresses, after[2].addresses);
    const Changes changes = step(numbered_nodes({1, 2, 3}), after);
    EXPECT_EQ(count(changes), "change 2, add_addresses 2, add_routes 2, delete_addresses 2");
    for (const auto& route : changes.add_routes)
        EXPECT_EQ(route.if_exists, IfExists::replace);
}

TEST(Plan, FollowsTwoNodesThatSwapTheirCidrs) {
    std::vector<Node> after = numbered_nodes({1, 2});
    std::swap(after[0].pod_cidrs, after[1].pod_cidrs);
    std::swap(after[0].tunnel_addresses, after[1].tunnel_addresses);
    const Changes changes = step(numbered_nodes({1, 2}), after);
    EXPECT_THAT(changes.make, IsEmpty());
    EXPECT_THAT(changes.delete_devices, IsEmpty());
}

TEST(Plan, KeepsTheEndpointOnTheLoopbackDeviceWhateverBecomesOfThePeers) {
    for (const auto& after :
         {numbered_nodes({1}), numbered_nodes({1, 4, 5}), numbered_nodes({1, 3, 2})})
        EXPECT_THAT(step(numbered_nodes({1, 2, 3}), after).delete_addresses, IsEmpty());
}

TEST(Plan, SetsRightWhatDiffersAndThatAlone) {
    const struct {
        const char* what;
        void (*spoil)(netlink::Link&);
        const char* changes;
    } table[] = {
        {"MTU", [](netlink::Link& link) { link.mtu = 1400; }, "change 1"},
        {"TTL", [](netlink::Link& link) { link.ttl = 0; }, "change 1"},
        {"alias", [](netlink::Link& link) { link.alias = "podnet/host9"; }, "change 1"},
        {"no alias", [](netlink::Link& link) { link.alias = ""; }, "change 1"},
        {"local", [](netlink::Link& link) { link.local = address("172.16.5.9"); }, "change 1"},
        {"remote", [](netlink::Link& link) { link.remote = address("172.16.5.9"); },
         "delete_first 1, make 1, configure 1, add_addresses 1, add_routes 1"},
        {"path MTU discovery", [](netlink::Link& link) { link.path_mtu_discovery = false; },
         "change 1"},
        {"forwarding", [](netlink::Link& link) { link.forwarding = false; }, "configure 1"},
        {"no source check", [](netlink::Link& link) { link.rp_filter = 0; }, "configure 1"},
        {"loose source check", [](netlink::Link& link) { link.rp_filter = 2; }, "configure 1"},
    };
    const Wanted wanted = wanted_by(numbered_nodes({1, 2, 3}));
    for (const auto& [what, spoil, expected] : table) {
        PlanModel host = standing(wanted);
        spoil(host.link("ipip-ac100502"));
        const Changes changes = plan(wanted, host.state());
        EXPECT_EQ(count(changes), expected) << what;
        host.apply(changes);
        EXPECT_EQ(host.to_string(), standing(wanted).to_string()) << what;
    }
}

TEST(Plan, MakesTunnelsAnewThatLeadEachOthersWay) {
    const Wanted wanted = wanted_by(numbered_nodes({1, 2, 3}));
    PlanModel host = standing(wanted);
    std::swap(host.link("ipip-ac100502").remote, host.link("ipip-ac100503").remote);
    host.apply(plan(wanted, host.state())); // changing either alone is refused
    EXPECT_EQ(host.to_string(), standing(wanted).to_string());
}

TEST(Plan, MakesWayWhereATunnelOfOursLeadsToAnotherPeer) {
    PlanModel host = standing(wanted_by(numbered_nodes({1, 2})));
    host.link("ipip-ac100502").remote = address("172.16.5.3");
    const Wanted wanted = wanted_by(numbered_nodes({1, 3}));
    host.apply(plan(wanted, host.state()));
    EXPECT_EQ(host.to_string(), standing(wanted).to_string());
}

TEST(Plan, TurnsTheSourceCheckOffWhereItIsNotWanted) {
    Wanted wanted = wanted_by(numbered_nodes({1, 2}));
    PlanModel host = standing(wanted);
    wanted.rp_filter = unchecked;
    const Changes changes = plan(wanted, host.state());
    EXPECT_EQ(count(changes), "configure 1");
    EXPECT_EQ(changes.configure[0].settings.rp_filter, 0);
    host.apply(changes);
    EXPECT_TRUE(plan(wanted, host.state()).empty());
}

TEST(Plan, BringsADeviceUpAndItsRoutesBack) {
    const Wanted wanted = wanted_by(numbered_nodes({1, 2, 3}));
    PlanModel host = standing(wanted);
    host.bring_down("ipip-ac100502");
    const Changes changes = plan(wanted, host.state());
    EXPECT_EQ(count(changes), "change 1, add_routes 1");
    EXPECT_EQ(changes.add_routes[0].route.destination, cidr("10.10.2.0/24"));
    host.apply(changes);
    EXPECT_EQ(host.to_string(), standing(wanted).to_string());
}

TEST(Plan, BringsBackWhatOthersTookAway) {
    const Wanted wanted = wanted_by(numbered_nodes({1, 2, 3}));
    const std::string whole = standing(wanted).to_string();
    for (std::size_t i = 0; i < standing(wanted).state().addresses.size(); ++i) {
        PlanModel host = standing(wanted);
        host.remove(InterfaceAddress(host.state().addresses[i]));
        host.apply(plan(wanted, host.state()));
        EXPECT_EQ(host.to_string(), whole) << "without address " << i;
    }
    for (std::size_t i = 0; i < standing(wanted).state().routes.size(); ++i) {
        PlanModel host = standing(wanted);
        host.remove(Route(host.state().routes[i]));
        EXPECT_EQ(count(plan(wanted, host.state())), "add_routes 1");
        host.apply(plan(wanted, host.state()));
        EXPECT_EQ(host.to_string(), whole) << "without route " << i;
    }
    PlanModel host = standing(wanted);
    host.remove_link("ipip-ac100503");
    host.apply(plan(wanted, host.state()));
    EXPECT_EQ(host.to_string(), whole);
}

} // namespace
} // namespace mesh
