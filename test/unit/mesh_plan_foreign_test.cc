#include "test/unit/plan_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// What is ours goes when it is no longer wanted; what is not ours stays, whatever is wanted.

namespace mesh {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

ip::Address address(std::string_view text) {
    return ip::Address::parse(text);
}
ip::Cidr cidr(std::string_view text) {
    return ip::Cidr::parse(text);
}

netlink::Link tunnel_named(const std::string& name, const char* local, const char* remote) {
    netlink::Link link;
    link.name = name;
    link.kind = "ipip";
    link.mtu = 1480;
    link.up = true;
    link.local = address(local);
    link.remote = address(remote);
    return link;
}

const Wanted nothing{.network = "podnet", .tunnels = {}, .endpoint = {}, .own_pod_cidrs = {}};

std::string conflict(const Wanted& wanted, const PlanModel& host) {
    try {
        plan(wanted, host.state());
    } catch (const Conflict& error) {
        return error.what();
    }
    return "(no conflict)";
}

/// A host on which others have made all that could be taken for ours.
PlanModel crowded() {
    PlanModel host;
    host.add(tunnel_named("tunl0", "0.0.0.0", "0.0.0.0"));
    int remote = 1;
    for (const char* name : {"tun1", "ipip-foo", "ipip-", "ipip-0000000g", "ipip-AC100502",
                             "ipip-ac10050", "ipip-ac1005022", "ipip_ac100502", "xipip-ac10050"}) {
        auto link =
            tunnel_named(name, "172.16.5.1", ("192.0.2." + std::to_string(remote++)).c_str());
        link.alias = "podnet/host2";
        host.add(link);
    }
    const int others = host.link("tun1").index;
    host.add(
        {.link = 2, .local = address("172.16.5.1"), .peer = {}, .prefix = 24, .label = "eth0"});
    host.add({.link = 1, .local = address("10.9.9.9"), .peer = {}, .prefix = 32, .label = "lo"});
    host.add({.link = 1, .local = address("10.9.9.8"), .peer = {}, .prefix = 32, .label = "lo:1"});
    host.add({.link = others,
              .local = address("10.10.1.1"),
              .peer = address("10.10.2.1"),
              .prefix = 32,
              .label = "tun1"});
    // Routes of our protocol on devices that are not the mesh's: pods have such.
    host.add({.destination = cidr("10.10.1.77/32"), .link = 9, .protocol = 94});
    host.add({.destination = cidr("10.10.5.0/24"), .link = others, .protocol = 94});
    return host;
}

TEST(PlanPrune, LeavesWhatOthersMadeWhileTheMeshComesChangesAndGoes) {
    PlanModel host = crowded();
    const std::string before = host.to_string();
    const auto become = [&](const Wanted& wanted) {
        const Changes changes = plan(wanted, host.state());
        host.apply(changes);
        EXPECT_TRUE(plan(wanted, host.state()).empty());
        return changes;
    };
    become(wanted_by(numbered_nodes({1, 2, 3})));
    EXPECT_NE(host.to_string(), before);
    become(wanted_by(numbered_nodes({1, 3, 4})));
    become(nothing);
    EXPECT_EQ(host.to_string(), before);
}

TEST(PlanPrune, TouchesNothingOfOthersWhereNothingIsWanted) {
    EXPECT_TRUE(plan(nothing, crowded().state()).empty());
}

TEST(PlanPrune, TakesAwayAllThatIsOursAndNothingElseWhereNothingIsWanted) {
    const PlanModel host = standing(wanted_by(numbered_nodes({1, 2, 3})));
    const Changes changes = plan(nothing, host.state());
    EXPECT_THAT(changes.delete_devices, UnorderedElementsAre("ipip-ac100502", "ipip-ac100503"));
    ASSERT_EQ(changes.delete_routes.size(), 1U);
    EXPECT_TRUE(changes.delete_routes[0].unreachable);
    ASSERT_EQ(changes.delete_addresses.size(), 1U);
    EXPECT_EQ(changes.delete_addresses[0].label, endpoint_label);
    EXPECT_THAT(changes.make, IsEmpty());
    EXPECT_THAT(changes.change, IsEmpty());
    EXPECT_THAT(changes.configure, IsEmpty());
    EXPECT_THAT(changes.add_addresses, IsEmpty());
    EXPECT_THAT(changes.add_routes, IsEmpty());
}

TEST(PlanPrune, TakesAwayADeviceOfOursThatAnADDLeftHalfMade) {
    PlanModel host;
    host.add(tunnel_named("ipip-ac100509", "172.16.5.1", "172.16.5.9")); // no alias yet
    EXPECT_THAT(plan(wanted_by(numbered_nodes({1, 2})), host.state()).delete_devices,
                ElementsAre("ipip-ac100509"));
}

TEST(PlanPrune, KeepsADeviceThatAnADDLeftHalfMadeAndIsWanted) {
    const Wanted wanted = wanted_by(numbered_nodes({1, 2}));
    PlanModel host;
    host.add(tunnel_named("ipip-ac100502", "172.16.5.1", "172.16.5.2"));
    const Changes changes = plan(wanted, host.state());
    EXPECT_THAT(changes.make, IsEmpty());
    host.apply(changes);
    EXPECT_EQ(host.to_string(), standing(wanted).to_string());
}

TEST(PlanPrune, TakesStrayRoutesAndAddressesOffOurDevices) {
    const Wanted wanted = wanted_by(numbered_nodes({1, 2}));
    PlanModel host = standing(wanted);
    const int index = host.link("ipip-ac100502").index;
    host.add({.destination = cidr("10.10.66.0/24"), .link = index, .protocol = 94});
    host.add(
        {.destination = cidr("10.66.0.0/24"), .metric = 4096, .protocol = 94, .unreachable = true});
    host.add({.link = index,
              .local = address("10.10.66.1"),
              .peer = address("10.10.67.1"),
              .prefix = 32,
              .label = "ipip-ac100502"});
    host.add({.link = 1,
              .local = address("10.10.66.1"),
              .peer = {},
              .prefix = 32,
              .label = endpoint_label,
              .link_scope = true});
    const Changes changes = plan(wanted, host.state());
    EXPECT_EQ(changes.delete_routes.size(), 2U);
    EXPECT_EQ(changes.delete_addresses.size(), 2U);
    host.apply(changes);
    EXPECT_EQ(host.to_string(), standing(wanted).to_string());
}

TEST(PlanPrune, LeavesAPlainAddressThatSomeonePutOnOurDevice) {
    const Wanted wanted = wanted_by(numbered_nodes({1, 2}));
    PlanModel host = standing(wanted);
    host.add({.link = host.link("ipip-ac100502").index,
              .local = address("192.0.2.1"),
              .peer = {},
              .prefix = 32,
              .label = "ipip-ac100502"});
    EXPECT_TRUE(plan(wanted, host.state()).empty());
}

TEST(PlanConflict, NamesTheDeviceOfSomeoneElseBetweenTheSameAddresses) {
    PlanModel host;
    host.add(tunnel_named("tun1", "172.16.5.1", "172.16.5.3"));
    EXPECT_EQ(conflict(wanted_by(numbered_nodes({1, 2, 3})), host),
              "the device tun1 is a tunnel from 172.16.5.1 to 172.16.5.3 already, and the kernel "
              "allows one; remove it (ip link delete tun1)");
}

TEST(PlanConflict, IsNoneWhereOneOfTheAddressesDiffers) {
    PlanModel host;
    host.add(tunnel_named("tun1", "172.16.5.1", "172.16.5.4"));
    host.add(tunnel_named("tun2", "172.16.5.9", "172.16.5.2"));
    host.add(tunnel_named("tun3", "172.16.5.2", "172.16.5.1")); // the other way round
    host.add(tunnel_named("tun4", "0.0.0.0", "172.16.5.2"));
    host.add(tunnel_named("tun5", "172.16.5.1", "0.0.0.0"));
    EXPECT_EQ(conflict(wanted_by(numbered_nodes({1, 2, 3})), host), "(no conflict)");
}

TEST(PlanConflict, NamesTheNetworkThatHasTheMesh) {
    const PlanModel host = standing(wanted_by(numbered_nodes({1, 2, 3})));
    Wanted wanted = wanted_by(numbered_nodes({1, 5}));
    wanted.network = "othernet";
    EXPECT_THAT(conflict(wanted, host),
                AllOf(HasSubstr("the tunnel ipip-ac10050"), HasSubstr("the network \"podnet\""),
                      HasSubstr("use that network's name here, or remove it first")));
}

TEST(PlanConflict, ComesBeforeAnythingIsTakenAwayFromAnotherNetwork) {
    const PlanModel host = standing(wanted_by(numbered_nodes({1, 2})));
    Wanted gone = nothing;
    gone.network = "podnet2"; // of which "podnet" is the beginning
    EXPECT_THAT(conflict(gone, host), HasSubstr("the network \"podnet\""));
}

} // namespace
} // namespace mesh
