#pragma once

#include "ipam/database.h"
#include "ipam/lease_table.h"
#include "ipam/store.h"

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

// A lease store in a folder of its own, and what the tests of it have in common.

namespace ipam {

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

inline RangeSet set(const char* cidr, std::vector<Address> reserved = {}) {
    return {usable(Cidr::parse(cidr), std::move(reserved))};
}

inline const RangeSet six = set("10.0.0.0/29"); // 10.0.0.1 - 10.0.0.6
inline const RangeSet six_of_ipv6 = set("fd00::/64");

inline Owner owner(int number, const std::string& network = "pods") {
    return {
        .network = network, .container = "container" + std::to_string(number), .interface = "eth0"};
}

inline std::vector<std::string> text(const std::vector<Address>& addresses) {
    std::vector<std::string> result;
    for (const Address& address : addresses)
        result.push_back(address.to_string());
    return result;
}

/// Allocates one address out of one set.
inline std::string take(Store& store, int number, const RangeSet& from = six,
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
inline pid_t start(const auto& action) {
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

inline int status_of(pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

/// What each address says of its owner, each owner says of its addresses, and the resting
/// addresses match the queue of them.
inline void expect_consistent(const Store& store, const fs::path& file) {
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

} // namespace ipam
