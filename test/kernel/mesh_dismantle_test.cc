#include "test/kernel/mesh_scene.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using scene::Json;
using testing::IsEmpty;
using testing::Not;

using DismantleTest = MeshTest;

Settings masquerading() {
    Settings settings{"podnet"};
    settings.masquerade = true;
    return settings;
}

/// The host's state without tunl0, which the module makes in the namespace when it is first used.
Json state_of(const scene::Namespace& space) {
    Json state = space.state();
    auto& links = state["links"];
    links.erase(std::remove_if(links.begin(), links.end(),
                               [](const Json& link) { return link.at("ifname") == "tunl0"; }),
                links.end());
    for (const char* key : {"tunl0/forwarding", "tunl0/rp_filter"})
        state["sysctls"].erase(key);
    return state;
}

TEST_F(DismantleTest, LeavesTheHostAsItWas) {
    const Json before = state_of(host_);
    const Reconciled made = reconcile(nodes(3), masquerading());
    EXPECT_THAT(dismantle(route_, "podnet", made.forwarding_turned_on), Not(IsEmpty()));
    EXPECT_EQ(state_of(host_), before);
}

TEST_F(DismantleTest, LeavesTheHostAsItWasAfterManyChanges) {
    const Json before = state_of(host_);
    const Reconciled made = reconcile(nodes(4), masquerading());
    auto list = nodes(5);
    std::swap(list[1].addresses, list[2].addresses);
    list[0].pod_cidrs.push_back(ip::Cidr::parse("10.20.0.0/16"));
    reconcile(list);
    reconcile(nodes(2), masquerading());
    dismantle(route_, "podnet", made.forwarding_turned_on);
    EXPECT_EQ(state_of(host_), before);
}

TEST_F(DismantleTest, IsDoneOnce) {
    const Reconciled made = reconcile(nodes(3));
    dismantle(route_, "podnet", made.forwarding_turned_on);
    EXPECT_THAT(dismantle(route_, "podnet", made.forwarding_turned_on), IsEmpty());
}

TEST_F(DismantleTest, ForwardingThatWasOnBeforeStaysOn) {
    host_.set_sysctl("net/ipv4/ip_forward", "1");
    const Json before = state_of(host_);
    const Reconciled made = reconcile(nodes(3));
    EXPECT_THAT(made.forwarding_turned_on, IsEmpty());
    dismantle(route_, "podnet", made.forwarding_turned_on);
    EXPECT_EQ(state_of(host_), before);
}

TEST_F(DismantleTest, ADeviceThatIsGoneIsNoHindrance) {
    reconcile(nodes(2));
    dismantle(route_, "podnet", {"long-gone", "u0"});
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/u0/forwarding"), "0");
    EXPECT_THAT(tunnel_indices(host_), Not(testing::Contains(testing::Key(tunnel_to(2)))));
}

TEST_F(DismantleTest, WhatOthersMadeStays) {
    host_.ip("link add mine type ipip local 192.0.2.1 remote 192.0.2.2\n"
             "link set mine up\n"
             "address add 192.168.7.1 peer 192.168.7.2 dev mine\n"
             "route add 10.77.0.0/16 dev mine\n"
             "route add 10.78.0.0/16 dev u0 proto 93\n"
             "route add unreachable 10.79.0.0/16 metric 4096\n"
             "route add 10.81.0.0/16 dev u0 proto 94\n" // as a pod's: not of the mesh
             "address add 192.168.8.1/32 dev lo\n"
             "rule add from 10.80.0.0/16 table 7\n");
    ASSERT_EQ(host_.run("nft add table inet other").status, 0);
    const Json before = state_of(host_);
    const Reconciled made = reconcile(nodes(3), masquerading());
    dismantle(route_, "podnet", made.forwarding_turned_on);
    EXPECT_EQ(state_of(host_), before);
}

} // namespace
} // namespace mesh
