#include "ipam/search.h"
#include "test/unit/ipam_lease_scene.h"

namespace ipam {
namespace {

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

TEST_F(LeaseStore, LetsARestThatBeganInTheFutureBeginNow) {
    using std::chrono::hours;
    using std::chrono::seconds;
    store();
    const Database database(file());
    Transaction transaction(database, Transaction::Mode::write);
    LeaseTable table(transaction);
    const std::vector<Address> held{Address::parse("10.0.0.1"), Address::parse("10.0.0.2")};
    for (const Address& address : held)
        table.take(owner(1), address, hours(9000));
    table.release(owner(1), held, hours(9000));
    table.forget_rested(seconds(100));
    EXPECT_EQ(table.find("pods", held[0]).value().since, seconds(100));
    EXPECT_FALSE(table.find("pods", held[0]).value().rested(seconds(159)));
    EXPECT_TRUE(table.find("pods", held[0]).value().rested(seconds(160)));
    table.forget_rested(seconds(160));
    EXPECT_FALSE(LeaseTable::Walk(table, "pods").at());
    EXPECT_FALSE(LeaseTable::RestingWalk(table, "pods").at());
}

TEST_F(LeaseStore, CountsLeasesOfTheFutureFromNowOn) {
    using std::chrono::hours;
    using std::chrono::seconds;
    store();
    const Database database(file());
    Transaction transaction(database, Transaction::Mode::write);
    LeaseTable table(transaction);
    const Address later = Address::parse("10.0.0.1");
    const Address earlier = Address::parse("10.0.0.2");
    table.take(owner(1), later, hours(9000));
    table.take(owner(2), earlier, seconds(50));
    EXPECT_TRUE(table.amend_leases("pods", seconds(100)));
    EXPECT_EQ(table.find("pods", later).value().since, seconds(100));
    EXPECT_EQ(table.find("pods", later).value().container(), owner(1).container);
    EXPECT_EQ(table.find("pods", earlier).value().since, seconds(50));
    EXPECT_FALSE(table.amend_leases("pods", seconds(100)));
}

TEST_F(LeaseStore, GivesAnOwnerThatAsksAgainAYoungLease) {
    Store leases = store();
    {
        const Database database(file());
        Transaction transaction(database, Transaction::Mode::write);
        LeaseTable table(transaction);
        table.take(owner(1), Address::parse("10.0.0.1"), BootTime(0));
        table.set_held(owner(1), {Address::parse("10.0.0.1")});
        transaction.commit();
    }
    const auto before = boot_time();
    EXPECT_EQ(take(leases, 1), "10.0.0.1");
    EXPECT_GE(leases.leases("pods").at(0).since, before) << "its link is yet to come";
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

} // namespace
} // namespace ipam
