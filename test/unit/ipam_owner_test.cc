#include "test/unit/ipam_lease_scene.h"

namespace ipam {
namespace {

// What an owner has already

TEST_F(LeaseStore, GivesAnOwnerThatAsksAgainWhatItHas) {
    Store leases = store();
    const Store::Wish wish{.sets = {six, six_of_ipv6}};
    const auto first = leases.allocate(owner(1), wish);
    EXPECT_FALSE(first.adopted);
    take(leases, 2);
    const auto second = leases.allocate(owner(1), wish);
    EXPECT_TRUE(second.adopted);
    EXPECT_EQ(second.addresses, first.addresses);
    EXPECT_EQ(leases.leases("pods").size(), 3U);
}

TEST_F(LeaseStore, CompletesWhatAnOwnerHasInPart) {
    Store leases = store();
    take(leases, 1);
    const auto both = leases.allocate(owner(1), {.sets = {six_of_ipv6, six}});
    EXPECT_FALSE(both.adopted);
    EXPECT_THAT(text(both.addresses), ElementsAre("fd00::1", "10.0.0.1"));
    EXPECT_THAT(text(leases.release(owner(1))), ElementsAre("10.0.0.1", "fd00::1"));
    EXPECT_TRUE(leases.empty("pods"));
}

TEST_F(LeaseStore, KeepsOneAddressForOneSetOnly) {
    Store leases = store();
    take(leases, 1);
    EXPECT_THAT(text(leases.allocate(owner(1), {.sets = {six, six}}).addresses),
                ElementsAre("10.0.0.1", "10.0.0.2"));
}

TEST_F(LeaseStore, KeepsForItsOwnerTheRequestedRatherThanAnotherAddress) {
    Store leases = store();
    const Store::Wish wish{.sets = {six}, .requested = {Address::parse("10.0.0.2")}};
    leases.allocate(owner(1), {.sets = {six, six}});
    EXPECT_THAT(text(leases.allocate(owner(1), wish).addresses), ElementsAre("10.0.0.2"));
}

TEST_F(LeaseStore, KeepsForItsOwnerWhatTheRangesNoLongerHold) {
    Store leases = store();
    take(leases, 1);
    EXPECT_EQ(take(leases, 1, set("10.9.0.0/24")), "10.9.0.1");
    const RangeSet reserved = set("10.9.0.0/24", {Address::parse("10.9.0.1")});
    EXPECT_EQ(take(leases, 1, reserved), "10.9.0.2");
    EXPECT_THAT(text(leases.release(owner(1))), ElementsAre("10.0.0.1", "10.9.0.1", "10.9.0.2"));
}

TEST_F(LeaseStore, ReleasesALeaseOnlyAsItWasSeen) {
    Store leases = store();
    take(leases, 1);
    take(leases, 1, set("10.9.0.0/24"));
    const Lease seen = leases.leases("pods").front();
    Lease older = seen;
    older.since -= std::chrono::seconds(1); // its owner has come back since
    EXPECT_FALSE(leases.release(older));
    Lease anothers = seen;
    anothers.owner = owner(2);
    EXPECT_FALSE(leases.release(anothers));
    EXPECT_EQ(leases.leases("pods").size(), 2U);
    EXPECT_TRUE(leases.release(seen));
    EXPECT_FALSE(leases.release(seen));
    EXPECT_THAT(text(leases.find(owner(1))), ElementsAre("10.9.0.1")) << "the other stays";
    EXPECT_THAT(text(leases.release(owner(1))), ElementsAre("10.9.0.1"));
    EXPECT_TRUE(leases.empty("pods"));
}

TEST_F(LeaseStore, ReleasesTwiceWithoutComplaint) {
    Store leases = store();
    take(leases, 1);
    EXPECT_THAT(text(leases.release(owner(1))), ElementsAre("10.0.0.1"));
    EXPECT_THAT(leases.release(owner(1)), IsEmpty());
    EXPECT_THAT(leases.release(owner(9)), IsEmpty());
    EXPECT_EQ(leases.find("pods", Address::parse("10.0.0.1")), std::nullopt);
    EXPECT_THAT(leases.find(owner(1)), IsEmpty());
}

TEST_F(LeaseStore, ListsLeasesByAddressWithOwnerAndTime) {
    timespec before{};
    clock_gettime(CLOCK_BOOTTIME, &before);
    Store leases = store();
    leases.allocate(owner(1), {.sets = {six_of_ipv6, six}});
    take(leases, 2, six, {Address::parse("10.0.0.6")});
    take(leases, 3, six, {Address::parse("10.0.0.5")});
    leases.release(owner(3));
    const auto all = leases.leases("pods");
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].address.to_string(), "10.0.0.1");
    EXPECT_EQ(all[0].owner, owner(1));
    EXPECT_EQ(all[1].address.to_string(), "10.0.0.6");
    EXPECT_EQ(all[1].owner, owner(2));
    EXPECT_EQ(all[2].address.to_string(), "fd00::1");
    EXPECT_GE(all[0].since.count(), before.tv_sec);
    EXPECT_LE(all[0].since.count(), before.tv_sec + 60);
}

// What the user asks for

TEST_F(LeaseStore, GivesTheRequestedAddressOfEachSet) {
    Store leases = store();
    const Store::Wish wish{.sets = {six, six_of_ipv6},
                           .requested = {Address::parse("fd00::77"), Address::parse("10.0.0.4")}};
    EXPECT_THAT(text(leases.allocate(owner(1), wish).addresses),
                ElementsAre("10.0.0.4", "fd00::77"));
    EXPECT_TRUE(leases.allocate(owner(1), wish).adopted);
    EXPECT_EQ(take(leases, 2), "10.0.0.1");
}

TEST_F(LeaseStore, RefusesARequestThatCannotBeMetAndSaysWhy) {
    Store leases = store();
    const RangeSet five = set("10.0.0.0/29", {Address::parse("10.0.0.6")});
    take(leases, 1, five);
    const auto refused = [&](std::vector<Address> requested, int number = 2) {
        return complaint<Unavailable>([&] { take(leases, number, five, std::move(requested)); });
    };
    EXPECT_EQ(refused({Address::parse("10.0.0.7")}),
              "10.0.0.7 is outside of 10.0.0.1 - 10.0.0.6; ask for an address inside");
    EXPECT_EQ(refused({Address::parse("10.0.0.6")}), "10.0.0.6 is reserved; ask for another");
    EXPECT_EQ(refused({Address::parse("10.0.0.1")}),
              "10.0.0.1 is held by interface eth0 of container container1; ask for another");
    EXPECT_EQ(refused({Address::parse("10.0.0.2"), Address::parse("10.0.0.3")}),
              "10.0.0.2 and 10.0.0.3 cannot both be had: one address is given out of 10.0.0.1 - "
              "10.0.0.6");
    EXPECT_EQ(
        refused({Address::parse("10.0.0.3")}, 1),
        "10.0.0.3 cannot be had: interface eth0 of container container1 holds 10.0.0.1 already; "
        "release that first");
    EXPECT_EQ(leases.leases("pods").size(), 1U);
}

TEST_F(LeaseStore, RefusesARequestForAnAddressInUse) {
    Store leases = store();
    const Store::Wish wish{.sets = {six},
                           .requested = {Address::parse("10.0.0.3")},
                           .in_use = [](const Address&) { return true; }};
    EXPECT_EQ(complaint<Unavailable>([&] { leases.allocate(owner(1), wish); }),
              "10.0.0.3 is used by something else; ask for another");
}

TEST_F(LeaseStore, PassesOverAddressesInUseAndAsksOfNoOthers) {
    Store leases = store();
    take(leases, 1);
    std::vector<Address> asked;
    const auto in_use = [&](const Address& address) {
        asked.push_back(address);
        return address.to_string() == "10.0.0.2";
    };
    const auto given = leases.allocate(owner(2), {.sets = {six}, .in_use = in_use});
    EXPECT_THAT(text(given.addresses), ElementsAre("10.0.0.3"));
    EXPECT_THAT(text(asked), ElementsAre("10.0.0.2", "10.0.0.3"));
    EXPECT_TRUE(leases.allocate(owner(2), {.sets = {six}, .in_use = in_use}).adopted);
    EXPECT_EQ(asked.size(), 2U);
}

TEST_F(LeaseStore, TakesNothingWhereTheQuestionWhetherAnAddressIsInUseFails) {
    Store leases = store();
    const auto fails_for_ipv6 = [](const Address& address) -> bool {
        return address.family() == ip::Family::v6 ? throw std::logic_error("netlink") : false;
    };
    const Store::Wish wish{.sets = {six, six_of_ipv6}, .in_use = fails_for_ipv6};
    EXPECT_EQ(complaint<std::logic_error>([&] { leases.allocate(owner(1), wish); }), "netlink");
    EXPECT_TRUE(leases.empty("pods"));
    EXPECT_EQ(take(leases, 2), "10.0.0.1");
}

TEST_F(LeaseStore, TakesNamesUpToTheirLimitsAndRefusesLongerOnes) {
    Store leases = store();
    const Owner longest{std::string(240, 'n'), std::string(240, 'c'), std::string(15, 'i')};
    leases.allocate(longest, {.sets = {six, six_of_ipv6}});
    EXPECT_EQ(leases.leases(longest.network).at(1).owner, longest);
    EXPECT_EQ(leases.release(longest).size(), 2U);
    const auto refused = [&](const Owner& bad) {
        return complaint<std::invalid_argument>([&] { leases.allocate(bad, {.sets = {six}}); });
    };
    EXPECT_EQ(refused({std::string(241, 'n'), "c", "i"}),
              "the name of the network has 241 bytes; 240 are the most");
    EXPECT_EQ(refused({"n", std::string(241, 'c'), "i"}),
              "the name of the container has 241 bytes; 240 are the most");
    EXPECT_EQ(refused({"n", "c", std::string(16, 'i')}),
              "the name of the interface has 16 bytes; 15 are the most");
    EXPECT_EQ(refused({"n", "", "i"}), "the name of the container is empty");
    EXPECT_EQ(refused({"n", std::string("c\0d", 3), "i"}),
              "the name of the container holds a NUL byte");
    EXPECT_THROW(static_cast<void>(leases.empty("")), std::invalid_argument);
}

TEST_F(LeaseStore, RefusesSetsThatAreNone) {
    Store leases = store();
    const Address low = Address::parse("10.0.0.1");
    const Address high = Address::parse("10.0.0.2");
    for (const RangeSet& bad :
         {RangeSet{}, RangeSet{{high, low, {}}}, RangeSet{{low, Address::parse("::1"), {}}},
          RangeSet{six[0], six_of_ipv6[0]}})
        EXPECT_THROW(take(leases, 1, bad), std::invalid_argument);
}

} // namespace
} // namespace ipam
