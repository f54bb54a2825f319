#include "test/unit/ipam_lease_scene.h"

namespace ipam {
namespace {

// What is handed out

TEST_F(LeaseStore, GivesOutOneAddressBehindTheOther) {
    Store leases = store();
    EXPECT_EQ(take(leases, 1), "10.0.0.1");
    EXPECT_EQ(take(leases, 2), "10.0.0.2");
    Store again = store();
    EXPECT_EQ(take(again, 3), "10.0.0.3");
}

TEST_F(LeaseStore, GivesAnAddressBackOnlyAfterAllOthersWereUsed) {
    Store leases = store();
    EXPECT_EQ(take(leases, 1), "10.0.0.1");
    leases.release(owner(1));
    for (int number = 2; number <= 6; ++number)
        EXPECT_EQ(take(leases, number), "10.0.0." + std::to_string(number));
    EXPECT_EQ(take(leases, 7), "10.0.0.1");
}

TEST_F(LeaseStore, PassesOverARestingAddressAheadUntilNothingElseIsFree) {
    Store leases = store();
    take(leases, 5, six, {Address::parse("10.0.0.2")});
    leases.release(owner(5));
    for (const char* address :
         {"10.0.0.1", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"})
        EXPECT_EQ(take(leases, address[7]), address);
}

TEST_F(LeaseStore, GivesOutTheLongestRestedFirstWhenAllRest) {
    Store leases = store();
    for (int number = 1; number <= 6; ++number)
        take(leases, number);
    for (const int number : {4, 2, 6, 1})
        leases.release(owner(number));
    EXPECT_EQ(take(leases, 11), "10.0.0.4");
    EXPECT_EQ(take(leases, 12), "10.0.0.2");
    leases.release(owner(12));
    EXPECT_EQ(take(leases, 13), "10.0.0.6");
    EXPECT_EQ(take(leases, 14), "10.0.0.1");
    EXPECT_EQ(take(leases, 15), "10.0.0.2");
}

TEST_F(LeaseStore, GivesOutNoRestingAddressOfAnotherNetworkOrOtherRanges) {
    Store leases = store();
    for (int number = 1; number <= 6; ++number)
        take(leases, number);
    leases.allocate(owner(7, "nets"), {.sets = {six}});
    leases.release(owner(7, "nets"));
    take(leases, 8, set("10.9.0.0/24"));
    leases.release(owner(8));
    EXPECT_THROW(take(leases, 9), Exhausted);
    leases.release(owner(4));
    EXPECT_EQ(take(leases, 9), "10.0.0.4");
}

TEST_F(LeaseStore, NeverGivesOutAReservedAddress) {
    Store leases = store();
    const RangeSet four =
        set("10.0.0.0/29", {Address::parse("10.0.0.1"), Address::parse("10.0.0.6")});
    for (int number = 2; number <= 5; ++number)
        EXPECT_EQ(take(leases, number, four), "10.0.0." + std::to_string(number));
    EXPECT_THROW(take(leases, 6, four), Exhausted);
}

TEST_F(LeaseStore, DoesNotGiveOutARestingAddressThatWasReservedSince) {
    Store leases = store();
    take(leases, 1);
    leases.release(owner(1));
    const RangeSet two = set("10.0.0.0/30", {Address::parse("10.0.0.1")});
    EXPECT_EQ(take(leases, 2, two), "10.0.0.2");
    EXPECT_THROW(take(leases, 3, two), Exhausted);
}

TEST_F(LeaseStore, TriesTheRangesOfASetAsOne) {
    Store leases = store();
    const RangeSet both{set("10.0.0.0/30")[0], set("10.9.0.0/30")[0]};
    for (const char* address : {"10.0.0.1", "10.0.0.2", "10.9.0.1", "10.9.0.2"})
        EXPECT_EQ(take(leases, address[3] * 10 + address[7], both), address);
    leases.release(owner('9' * 10 + '1'));
    leases.release(owner('0' * 10 + '2'));
    EXPECT_EQ(take(leases, 1, both), "10.9.0.1");
    EXPECT_EQ(take(leases, 2, both), "10.0.0.2");
}

TEST_F(LeaseStore, GoesOnAtTheStartWhereTheRangesChangedAwayFromTheLastAddress) {
    Store leases = store();
    const Range whole = six[0];
    const RangeSet inner{{whole.first, Address::parse("10.0.0.3"), {}},
                         {whole.last, whole.last, {}}};
    for (int number = 1; number <= 5; ++number)
        take(leases, number);
    leases.release(owner(1));
    EXPECT_EQ(take(leases, 6, inner), "10.0.0.6");
    EXPECT_EQ(take(leases, 7, inner), "10.0.0.1");
}

TEST_F(LeaseStore, GivesADualStackPodOneAddressOfEachFamily) {
    Store leases = store();
    const auto given = leases.allocate(owner(1), {.sets = {six, six_of_ipv6}});
    EXPECT_THAT(text(given.addresses), ElementsAre("10.0.0.1", "fd00::1"));
    EXPECT_THAT(leases.allocate(owner(2), {.sets = {six_of_ipv6, six}}).addresses,
                ElementsAre(Address::parse("fd00::2"), Address::parse("10.0.0.2")));
    EXPECT_EQ(leases.find(owner(1)), given.addresses);
    EXPECT_EQ(leases.release(owner(1)), given.addresses);
    EXPECT_EQ(leases.leases("pods").size(), 2U);
}

TEST_F(LeaseStore, TakesNothingWhereOneOfTwoSetsIsExhausted) {
    Store leases = store();
    const RangeSet one = set("fd00::/127");
    take(leases, 1, one);
    EXPECT_THROW(leases.allocate(owner(2), {.sets = {six, one}}), Exhausted);
    EXPECT_THAT(leases.find(owner(2)), IsEmpty());
    EXPECT_EQ(leases.find("pods", Address::parse("10.0.0.1")), std::nullopt);
    EXPECT_EQ(take(leases, 3), "10.0.0.1");
}

TEST_F(LeaseStore, GivesTwoSetsOfTheSameRangesTwoAddresses) {
    Store leases = store();
    EXPECT_THAT(text(leases.allocate(owner(1), {.sets = {six, six}}).addresses),
                ElementsAre("10.0.0.1", "10.0.0.2"));
}

TEST_F(LeaseStore, DoesNotMixUpTwoNetworks) {
    Store leases = store();
    EXPECT_EQ(take(leases, 1), "10.0.0.1");
    for (const char* name : {"pod", "pods2", "pods 6", "a"}) {
        EXPECT_TRUE(leases.empty(name));
        EXPECT_THAT(leases.leases(name), IsEmpty());
        EXPECT_EQ(leases.allocate(owner(1, name), {.sets = {six}}).addresses[0].to_string(),
                  "10.0.0.1");
        EXPECT_EQ(leases.leases(name).size(), 1U);
    }
    leases.release(owner(1));
    EXPECT_TRUE(leases.empty("pods"));
    EXPECT_FALSE(leases.empty("pods2"));
    EXPECT_EQ(leases.find("pods2", Address::parse("10.0.0.1")).value().owner, owner(1, "pods2"));
}

TEST_F(LeaseStore, TellsApartInterfacesOfOneContainer) {
    Store leases = store();
    const Owner eth0{"pods", "abc", "eth0"};
    const Owner eth1{"pods", "abc", "eth1"};
    const Owner shifted{"pods", "abcd", "eth"};
    for (const Owner& each : {eth0, eth1, shifted})
        leases.allocate(each, {.sets = {six}});
    leases.release(eth0);
    EXPECT_THAT(text(leases.find(eth1)), ElementsAre("10.0.0.2"));
    EXPECT_THAT(text(leases.find(shifted)), ElementsAre("10.0.0.3"));
}

TEST_F(LeaseStore, ServesAnIpv6RangeThatCannotBeCountedThrough) {
    Store leases = store();
    EXPECT_EQ(take(leases, 1, six_of_ipv6), "fd00::1");
    EXPECT_EQ(take(leases, 2, six_of_ipv6, {Address::parse("fd00::ffff:ffff:ffff:fffe")}),
              "fd00::ffff:ffff:ffff:fffe");
    EXPECT_EQ(take(leases, 3, six_of_ipv6), "fd00::2");
    const RangeSet end{{Address::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
                        Address::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
                        {}}};
    EXPECT_EQ(take(leases, 4, end), end[0].last.to_string());
    EXPECT_THROW(take(leases, 5, end), Exhausted);
}

TEST_F(LeaseStore, FindsItsWayInARangeWithThousandsOfLeases) {
    Store leases = store();
    const RangeSet many = set("10.1.0.0/20"); // 4094
    const auto all = leases.allocate(owner(1), {.sets = std::vector(4094, many)}).addresses;
    EXPECT_EQ(std::set(all.begin(), all.end()).size(), 4094U);
    EXPECT_EQ(all.back().to_string(), "10.1.15.254");
    EXPECT_THAT(complaint<Exhausted>([&] { take(leases, 2, many); }),
                HasSubstr("all 4094 are leased"));
    EXPECT_EQ(leases.leases("pods").size(), 4094U);
    leases.release(owner(1));
    EXPECT_EQ(take(leases, 2, many), "10.1.0.1");
}

// When nothing is left

TEST_F(LeaseStore, ThatIsExhaustedNamesRangesCountAndMend) {
    Store leases = store();
    for (int number = 1; number <= 6; ++number)
        take(leases, number);
    EXPECT_EQ(
        complaint<Exhausted>([&] { take(leases, 7); }),
        "no free address in 10.0.0.1 - 10.0.0.6 of network \"pods\": all 6 are leased; give the "
        "network more addresses, or release those of containers that are gone");
    leases.release(owner(3));
    EXPECT_EQ(take(leases, 7), "10.0.0.3");
}

TEST_F(LeaseStore, ThatIsExhaustedCountsWhatIsReservedOrInUse) {
    Store leases = store();
    const RangeSet five = set("10.0.0.0/29", {Address::parse("10.0.0.1")});
    take(leases, 2, five);
    take(leases, 3, five);
    leases.release(owner(3));
    EXPECT_THAT(complaint<Exhausted>([&] {
                    leases.allocate(
                        owner(4), {.sets = {five}, .in_use = [](const Address&) { return true; }});
                }),
                HasSubstr("of 6, 1 leased, 1 reserved, 4 used by something else;"));
}

} // namespace
} // namespace ipam
