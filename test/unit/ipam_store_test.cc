#include "ipam/store.h"

#include "ipam/database.h"
#include "ipam/lease_table.h"
#include "ipam/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <set>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ipam {
namespace {

namespace fs = std::filesystem;

using ip::Address;
using ip::Cidr;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A directory of its own, gone with the test.
class LeaseStore : public testing::Test {
  protected:
    LeaseStore() {
        std::string name = "/tmp/ipam_store_test.XXXXXX";
        root_ = mkdtemp(name.data());
        directory_ = root_ / "leases";
    }
    ~LeaseStore() override { fs::remove_all(root_); }

    Store store() const { return Store(directory_); }

    /// The one database, which exists.
    fs::path file() const {
        for (const auto& entry : fs::directory_iterator(directory_))
            if (entry.path().extension() == ".mdb")
                return entry.path();
        return {};
    }

    fs::path root_;
    fs::path directory_;
};

RangeSet set(const char* cidr, std::vector<Address> reserved = {}) {
    return {usable(Cidr::parse(cidr), std::move(reserved))};
}

const RangeSet six = set("10.0.0.0/29"); // 10.0.0.1 - 10.0.0.6
const RangeSet six_of_ipv6 = set("fd00::/64");

Owner owner(int number, const std::string& network = "pods") {
    return {
        .network = network, .container = "container" + std::to_string(number), .interface = "eth0"};
}

std::vector<std::string> text(const std::vector<Address>& addresses) {
    std::vector<std::string> result;
    for (const Address& address : addresses)
        result.push_back(address.to_string());
    return result;
}

/// Allocates one address out of one set.
std::string take(Store& store, int number, const RangeSet& from = six,
                 std::vector<Address> requested = {}) {
    return store.allocate(owner(number), {.sets = {from}, .requested = std::move(requested)})
        .addresses.at(0)
        .to_string();
}

template <typename Error>
std::string complaint(const auto& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "(no such error)";
}

/// Runs `action` in a process of its own; its exit status, 100 where it throws.
pid_t start(const auto& action) {
    const pid_t child = fork();
    if (child == 0) {
        int status = 100;
        try {
            action();
            status = 0;
        } catch (const std::exception& error) {
            fprintf(stderr, "child: %s\n", error.what());
        }
        _exit(status);
    }
    return child;
}

int status_of(pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

/// What each address says of its owner, each owner says of its addresses, and the resting
/// addresses match the queue of them.
void expect_consistent(const Store& store, const fs::path& file) {
    const std::vector<Lease> leases = store.leases("pods");
    std::set<Owner> owners;
    for (const Lease& lease : leases) {
        EXPECT_EQ(store.find("pods", lease.address).value().owner, lease.owner);
        EXPECT_THAT(store.find(lease.owner), testing::Contains(lease.address));
        owners.insert(lease.owner);
    }
    std::size_t held = 0;
    for (const Owner& each : owners)
        held += store.find(each).size();
    EXPECT_EQ(held, leases.size());
    EXPECT_EQ(store.empty("pods"), leases.empty());

    const Database database(file);
    Transaction transaction(database, Transaction::Mode::read);
    const LeaseTable table(transaction);
    std::set<Address> resting;
    for (LeaseTable::Walk walk(table, "pods"); walk.at(); walk.next())
        if (!walk.at()->leased())
            resting.insert(walk.at()->address);
    std::set<Address> queued;
    for (LeaseTable::RestingWalk walk(table, "pods"); walk.at(); walk.next())
        queued.insert(*walk.at());
    EXPECT_EQ(resting, queued);
}

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

// Rest, with a clock of its own

TEST_F(LeaseStore, LetsAnAddressRestForAMinuteAndThenForgetsIt) {
    using std::chrono::seconds;
    store();
    const Database database(file());
    Transaction transaction(database, Transaction::Mode::write);
    LeaseTable table(transaction);
    const std::vector<Address> held{Address::parse("10.0.0.1"), Address::parse("10.0.0.2")};
    for (const Address& address : held)
        table.take(owner(1), address, seconds(1));
    table.release(owner(1), held, seconds(100));

    const std::string network = "pods";
    const std::function<bool(const Address&)> unused;
    const auto found = [&](seconds now) {
        return find_free({table, network, six, unused, now}).to_string();
    };
    EXPECT_EQ(found(seconds(100)), "10.0.0.3");
    EXPECT_EQ(found(seconds(159)), "10.0.0.3");
    EXPECT_EQ(found(seconds(160)), "10.0.0.1");
    table.set_last_given(network, six, Address::parse("10.0.0.3"));
    EXPECT_EQ(found(seconds(160)), "10.0.0.4"); // round robin all the same

    int asked = 0;
    const std::function<bool(const Address&)> used = [&](const Address&) { return ++asked > 0; };
    for (const seconds now : {seconds(159), seconds(160)}) {
        asked = 0;
        EXPECT_THROW(find_free({table, network, six, used, now}), Exhausted);
        EXPECT_EQ(asked, 6); // of each address once
    }

    table.forget_rested(seconds(159));
    EXPECT_TRUE(table.find(network, held[0]));
    table.forget_rested(seconds(160));
    EXPECT_FALSE(table.find(network, held[0]));
    EXPECT_FALSE(LeaseTable::Walk(table, network).at());
    EXPECT_FALSE(LeaseTable::RestingWalk(table, network).at());
}

TEST_F(LeaseStore, DoesNotForgetARestedAddressThatWasTakenAgain) {
    using std::chrono::seconds;
    store();
    const Database database(file());
    Transaction transaction(database, Transaction::Mode::write);
    LeaseTable table(transaction);
    const Address address = Address::parse("10.0.0.1");
    table.take(owner(1), address, seconds(1));
    table.release(owner(1), {address}, seconds(2));
    table.take(owner(2), address, seconds(100));
    table.forget_rested(seconds(200));
    EXPECT_TRUE(table.find("pods", address).value().leased());
}

TEST_F(LeaseStore, ForgetsFasterThanReleasesComeButAFewAtATime) {
    using std::chrono::seconds;
    store();
    const Database database(file());
    Transaction transaction(database, Transaction::Mode::write);
    LeaseTable table(transaction);
    std::vector<Address> held;
    for (std::optional<Address> next = Address::parse("10.0.0.1"); held.size() < 100;
         next = next->next()) {
        table.take(owner(1), *next, seconds(1));
        held.push_back(*next);
    }
    table.release(owner(1), held, seconds(1));
    const auto resting = [&] {
        std::size_t count = 0;
        for (LeaseTable::RestingWalk walk(table, "pods"); walk.at(); walk.next())
            ++count;
        return count;
    };
    table.forget_rested(seconds(100));
    EXPECT_GE(resting(), 90U);
    EXPECT_LE(resting(), 97U); // more go than the two of a dual stack release come
    for (int call = 0; call < 40; ++call)
        table.forget_rested(seconds(100));
    EXPECT_EQ(resting(), 0U);
}

TEST_F(LeaseStore, ForgetsRestedAddressesWithEachAllocationAndRelease) {
    Store leases = store();
    const auto known = [&](const Address& address) {
        const Database database(file());
        Transaction transaction(database, Transaction::Mode::read);
        return LeaseTable(transaction).find("pods", address).has_value();
    };
    const auto rest_since_boot = [&](const Address& address) {
        const Database database(file());
        Transaction transaction(database, Transaction::Mode::write);
        LeaseTable table(transaction);
        table.take(owner(9), address, BootTime(0));
        table.release(owner(9), {address}, BootTime(0));
        transaction.commit();
    };
    const Address address = Address::parse("10.0.0.5");
    rest_since_boot(address);
    EXPECT_TRUE(known(address));
    take(leases, 1);
    EXPECT_FALSE(known(address));
    rest_since_boot(address);
    leases.release(owner(1));
    EXPECT_FALSE(known(address));
}

// Many processes, and dying ones

TEST_F(LeaseStore, GivesFiftyParallelProcessesAddressesOfTheirOwnFromTheFirstOpenOn) {
    const RangeSet many = set("10.1.0.0/24");
    std::array<int, 2> gate{};
    ASSERT_EQ(pipe(gate.data()), 0);
    std::vector<pid_t> children;
    for (int number = 0; number < 50; ++number)
        children.push_back(start([&] {
            close(gate[1]);
            char byte = 0;
            if (read(gate[0], &byte, 1) != 0) // until the parent closes its end
                throw std::logic_error("gate");
            for (int each = 0; each < 4; ++each) {
                Store leases(directory_);
                take(leases, number + each * 50, many);
            }
        }));
    close(gate[0]);
    close(gate[1]);
    for (const pid_t child : children)
        EXPECT_EQ(status_of(child), 0);

    const Store leases = store();
    const auto all = leases.leases("pods");
    ASSERT_EQ(all.size(), 200U);
    std::set<Owner> owners;
    for (const Lease& lease : all)
        owners.insert(lease.owner);
    EXPECT_EQ(owners.size(), 200U);
    EXPECT_EQ(all.back().address.to_string(), "10.1.0.200"); // no gap: nobody tried twice
    expect_consistent(leases, file());
}

/// Returns when the process has ended or the kernel has it wait for a file lock.
void until_ended_or_waiting(pid_t process) {
    const auto waiting = [&] {
        std::ifstream locks("/proc/locks");
        for (std::string line; std::getline(locks, line);)
            if (line.find("-> FLOCK") != std::string::npos &&
                line.find(' ' + std::to_string(process) + ' ') != std::string::npos)
                return true;
        return false;
    };
    pollfd end{.fd = static_cast<int>(syscall(SYS_pidfd_open, process, 0)),
               .events = POLLIN,
               .revents = 0};
    while (poll(&end, 1, 1) == 0 && !waiting())
        continue;
    close(end.fd);
}

TEST_F(LeaseStore, MakesOthersWaitFromTheSearchToTheLease) {
    Store leases = store();
    pid_t other = -1;
    const auto in_use = [&](const Address&) {
        other = start([&] {
            Store its(directory_);
            take(its, 2);
        });
        until_ended_or_waiting(other);
        return false;
    };
    EXPECT_THAT(text(leases.allocate(owner(1), {.sets = {six}, .in_use = in_use}).addresses),
                ElementsAre("10.0.0.1"));
    EXPECT_EQ(status_of(other), 0);
    EXPECT_THAT(text(leases.find(owner(2))), ElementsAre("10.0.0.2"));
}

/// start(), to be led by run_to_stop().
pid_t start_traced(const auto& action) {
    return start([&] {
        if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0)
            throw std::logic_error("this test needs to trace its own child");
        raise(SIGSTOP);
        action();
    });
}

/// Lets a traced child run to its `stops`th entry to or exit from a system call. False where it
/// ended before. The files change by system calls only: the stops are all there is to see of it.
/// They come in twos: what a call finds at its entry is what the one before left.
bool run_to_stop(pid_t child, int stops) {
    int status = 0;
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_EXITKILL);
    for (int stop = 0; stop < stops; ++stop) {
        ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
        waitpid(child, &status, 0);
        if (WIFEXITED(status)) {
            EXPECT_EQ(WEXITSTATUS(status), 0);
            return false;
        }
    }
    return true;
}

TEST_F(LeaseStore, OutlivesAKillBetweenAnyTwoSystemCalls) {
    int stops = 0;
    for (bool running = true; running; stops += 2) {
        fs::remove_all(directory_);
        const pid_t child = start_traced([&] {
            Store leases(directory_);
            leases.allocate(owner(1), {.sets = {six, six_of_ipv6}});
            leases.release(owner(1));
        });
        running = run_to_stop(child, stops);
        if (running) {
            kill(child, SIGKILL);
            EXPECT_TRUE(WIFSIGNALED(status_of(child)));
        }

        Store leases = store();
        const std::size_t had = leases.leases("pods").size();
        take(leases, 3);
        EXPECT_EQ(leases.leases("pods").size(), had + 1);
        const std::size_t of_first = leases.find(owner(1)).size();
        EXPECT_TRUE(of_first == 0 || of_first == 2) << of_first;
        expect_consistent(leases, file());
        ASSERT_FALSE(HasFailure()) << "killed at stop " << stops;
    }
    EXPECT_GT(stops, 50); // it was not over before it began
}

TEST_F(LeaseStore, IsSharedWithAProcessThatComesBetweenAnyTwoSystemCalls) {
    int stops = 0;
    for (bool running = true; running; stops += 2) {
        fs::remove_all(directory_);
        const auto open_and_take = [&](int number) {
            Store leases(directory_);
            take(leases, number);
        };
        const pid_t first = start_traced([&] { open_and_take(1); });
        running = run_to_stop(first, stops);
        const pid_t second = start([&] { open_and_take(2); });
        until_ended_or_waiting(second);
        if (running) {
            ptrace(PTRACE_DETACH, first, nullptr, nullptr);
            EXPECT_EQ(status_of(first), 0);
        }
        EXPECT_EQ(status_of(second), 0);

        const Store leases = store();
        EXPECT_EQ(leases.leases("pods").size(), 2U);
        expect_consistent(leases, file());
        ASSERT_FALSE(HasFailure()) << "at stop " << stops;
    }
    EXPECT_GT(stops, 30);
}

TEST_F(LeaseStore, OutlivesKillsAtAnyMomentOfABusyLife) {
    for (int round = 0; round < 60; ++round) {
        std::array<int, 2> beat{};
        ASSERT_EQ(pipe(beat.data()), 0);
        const pid_t child = start([&] {
            close(beat[0]);
            for (int number = round * 1000;; ++number) {
                Store leases(directory_);
                leases.allocate(owner(number), {.sets = {six, six_of_ipv6}});
                leases.release(owner(number - number % 3));
                if (number % 3 == 2)
                    leases.release(owner(number - 1));
                leases.release(owner(number));
                if (write(beat[1], "", 1) != 1)
                    throw std::logic_error("beat");
            }
        });
        close(beat[1]);
        char byte = 0;
        for (int beats = 0; beats <= round % 3; ++beats)
            ASSERT_EQ(read(beat[0], &byte, 1), 1);
        const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(11 * round);
        while (std::chrono::steady_clock::now() < until) // another phase of its loop each time
            continue;
        kill(child, SIGKILL);
        close(beat[0]);
        EXPECT_TRUE(WIFSIGNALED(status_of(child)));

        Store leases = store();
        expect_consistent(leases, file());
        for (const Lease& lease : leases.leases("pods"))
            leases.release(lease.owner);
        EXPECT_TRUE(leases.empty("pods"));
        take(leases, -1 - round);
        leases.release(owner(-1 - round));
        ASSERT_FALSE(HasFailure()) << "round " << round;
    }
}

TEST_F(LeaseStore, KeepsWorkingInTheSameProcessTwice) {
    Store one = store();
    {
        Store two = store();
        take(two, 1);
    }
    EXPECT_EQ(take(one, 2), "10.0.0.2");
    Store moved = std::move(one);
    EXPECT_EQ(take(moved, 3), "10.0.0.3");
    moved = store();
    EXPECT_EQ(moved.leases("pods").size(), 3U);
}

TEST_F(LeaseStore, DoesNotHandItsFilesToProgramsItsProcessStarts) {
    const Store leases = store();
    int seen = 0;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
        std::error_code gone; // the iterator's own
        if (!fs::read_symlink(entry.path(), gone).native().starts_with(directory_.native()))
            continue;
        ++seen;
        EXPECT_TRUE(fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC)
            << entry.path();
    }
    EXPECT_GT(seen, 0);
}

// Its files

TEST_F(LeaseStore, ForgetsOtherBoots) {
    fs::create_directories(directory_);
    const std::string old = "leases-11111111-2222-3333-4444-555555555555.mdb";
    for (const std::string& name :
         {old, old + ".abc123", std::string("nodes.json"), std::string("leases-notes")})
        std::ofstream(directory_ / name) << "old";
    Store leases = store();
    EXPECT_FALSE(fs::exists(directory_ / old));
    EXPECT_FALSE(fs::exists(directory_ / (old + ".abc123")));
    EXPECT_TRUE(fs::exists(directory_ / "nodes.json"));
    EXPECT_TRUE(fs::exists(directory_ / "leases-notes"));
    EXPECT_TRUE(leases.empty("pods"));
}

TEST_F(LeaseStore, LeavesOneFileNamedAfterTheBoot) {
    store();
    std::string boot;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_))
        names.push_back(entry.path().filename());
    EXPECT_THAT(names, ElementsAre("leases-" + boot + ".mdb"));
}

TEST_F(LeaseStore, MakesItsDirectoryAndParentsWithTheLastForRootAlone) {
    for (const fs::path& path : {root_ / "a", root_ / "b/c/d", root_ / "e/f/"}) {
        Store leases(path);
        take(leases, 1);
        struct stat status {};
        ASSERT_EQ(stat(path.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777U, 0700U);
        for (const auto& entry : fs::directory_iterator(path)) {
            ASSERT_EQ(stat(entry.path().c_str(), &status), 0);
            EXPECT_EQ(status.st_mode & 07777U, 0600U);
        }
    }
    EXPECT_EQ(fs::status(root_ / "b/c").permissions() & fs::perms::others_read,
              fs::perms::others_read);
}

TEST_F(LeaseStore, InPlaceOfAFileIsRefusedWithTheMend) {
    std::ofstream(directory_) << "a file";
    EXPECT_THAT(
        complaint<StoreError>([&] { store(); }),
        AllOf(HasSubstr(directory_), HasSubstr("Not a directory"), HasSubstr("another directory")));
    EXPECT_THAT(complaint<StoreError>([&] { Store(directory_ / "below"); }),
                AllOf(HasSubstr(directory_), HasSubstr("Not a directory")));
}

TEST_F(LeaseStore, WithoutPermissionIsRefusedWithTheMend) {
    store();
    fs::permissions(root_, fs::perms::none);
    const pid_t child = start([&] {
        if (geteuid() == 0 && setuid(65534) != 0)
            throw std::logic_error("setuid");
        const std::string said = complaint<StoreError>([&] { store(); });
        if (said.find("Permission denied; run this as root") == std::string::npos ||
            said.find(directory_) == std::string::npos)
            throw std::logic_error(said);
    });
    EXPECT_EQ(status_of(child), 0);
    fs::permissions(root_, fs::perms::owner_all);
}

TEST_F(LeaseStore, ThatIsNoDatabaseIsRefusedAndLeftAsItIs) {
    store();
    const fs::path path = file();
    for (const std::size_t size : {10U, 4096U, 8192U, 20000U}) {
        const std::string garbage(size, 'x');
        std::ofstream(path) << garbage;
        EXPECT_THAT(
            complaint<StoreError>([&] { store(); }),
            AllOf(HasSubstr(path), HasSubstr("stop the containers"), HasSubstr("remove the file")));
        std::ifstream stream(path);
        EXPECT_EQ(std::string(std::istreambuf_iterator(stream), {}), garbage);
    }
}

TEST_F(LeaseStore, ThatWasEmptiedIsRefusedAsOftenAsItIsOpened) {
    store();
    fs::resize_file(file(), 0);
    for (int time = 0; time < 2; ++time)
        EXPECT_THAT(complaint<StoreError>([&] { store(); }),
                    AllOf(HasSubstr(file()), HasSubstr("stop the containers")));
}

TEST_F(LeaseStore, OfAnotherVersionIsRefused) {
    store();
    {
        const Database database(file());
        Transaction transaction(database, Transaction::Mode::write);
        transaction.put("v", "2");
        transaction.commit();
    }
    EXPECT_THAT(complaint<StoreError>([&] { store(); }),
                AllOf(HasSubstr(file()), HasSubstr("layout 2"), HasSubstr("layout 1")));
}

TEST_F(LeaseStore, ThatCannotGrowFailsWholeWithTheMend) {
    store();
    const RangeSet many = set("10.1.0.0/16");
    const pid_t child = start([&] {
        Store leases = store();
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{64 * 1024, 64 * 1024};
        setrlimit(RLIMIT_FSIZE, &limit);
        const std::string said = complaint<StoreError>([&] {
            for (int number = 0; number < 10000; ++number)
                take(leases, number, many);
        });
        // A write of several pages is cut short, one of a single page fails.
        if ((said.find("Input/output error; that file system is full") == std::string::npos &&
             said.find("File too large; raise the limit") == std::string::npos) ||
            said.find(file()) == std::string::npos)
            throw std::logic_error(said);
    });
    EXPECT_EQ(status_of(child), 0);
    Store leases = store();
    const std::size_t had = leases.leases("pods").size();
    EXPECT_GT(had, 10U);
    take(leases, -1, many);
    EXPECT_EQ(leases.leases("pods").size(), had + 1);
    expect_consistent(leases, file());
}

TEST_F(LeaseStore, ThatReachesItsCapacitySaysWhatToRelease) {
    const Database database(root_ / "small", 64 * 1024);
    Transaction transaction(database, Transaction::Mode::write);
    EXPECT_THAT(complaint<StoreError>([&] {
                    for (int number = 0;; ++number)
                        transaction.put(std::to_string(number), std::string(500, 'x'));
                }),
                AllOf(HasSubstr(root_ / "small"),
                      HasSubstr("release the leases of containers that are gone")));
}

} // namespace
} // namespace ipam
