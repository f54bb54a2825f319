#pragma once

#include "ipam/error.h"
#include "ipam/range.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ipam {

/// Who holds an address: one interface of one container in one network.
struct Owner {
    std::string network;
    std::string container;
    std::string interface;

    auto operator<=>(const Owner&) const = default;
};

struct Lease {
    ip::Address address;
    Owner owner;
    std::chrono::seconds since; ///< CLOCK_BOOTTIME: leases do not outlive the boot

    bool operator==(const Lease&) const = default;
};

/// The time since the boot, CLOCK_BOOTTIME, by which leases count.
std::chrono::seconds boot_time();

class Database;

/// The leases of this boot, on disk, shared by any number of processes.
///
/// Each call is one transaction: it happens whole or not at all, also when the process is killed
/// inside it, and calls of parallel processes happen one after the other. Looking up by address or
/// by owner costs the same with one lease and with 50,000. Not for use by two threads at once, nor
/// on both sides of a fork(2).
///
/// Names of networks and containers have 1 to 240 bytes, of interfaces 1 to 15, none of them NUL;
/// methods throw std::invalid_argument for others, and StoreError where the files fail them.
class Store {
  public:
    /// Asked, where there is no store yet, for the leases that are known otherwise. May be empty.
    using Known = std::function<std::vector<Lease>()>;

    /// Opens, and makes where missing, the store of this boot in `directory`; what earlier boots
    /// left there goes. Throws StoreError, and what `known` throws unless another process has made
    /// the store meanwhile.
    explicit Store(const std::filesystem::path& directory, const Known& known = {});
    Store(Store&&) noexcept;
    Store& operator=(Store&&) noexcept;
    ~Store();

    struct Wish {
        /// One set for each address wanted.
        std::vector<RangeSet> sets;
        /// Addresses asked for by the user; each must lie in one of the sets, at most one a set.
        /// They need not have rested, and do not move the place where the next search starts.
        std::vector<ip::Address> requested = {};
        /// Asked before an address is handed out: true where something else already uses it
        /// (such an address is passed over). May be empty. Others wait until it returns; it must
        /// not call the store. What it throws comes out of allocate(), and nothing is taken.
        std::function<bool(const ip::Address&)> in_use = {};
    };

    struct Allocation {
        std::vector<ip::Address> addresses; ///< one a set, in the order of the sets
        bool adopted; ///< the owner had all of them already, from an attempt that was cut off
    };

    /// Gives `owner` one address from each set. Round robin: the search starts behind the last
    /// address given out, and an address that was released rests for `rest` unless nothing
    /// else is free; then the longest rested goes first.
    ///
    /// What the owner holds in a set already (and is not reserved since) it keeps, in_use unasked,
    /// as if it had just got it; only sets in which it holds nothing get a new address. What it
    /// holds outside of the sets, after a change of the ranges, stays its own until release().
    ///
    /// Throws Exhausted; Unavailable, also where the owner keeps another address than the one
    /// requested; std::invalid_argument for a set without ranges or one that mixes families.
    /// Nothing is taken then.
    Allocation allocate(const Owner& owner, const Wish& wish);

    /// Frees all that `owner` holds and returns it; nothing held is no error.
    std::vector<ip::Address> release(const Owner& owner);

    /// Frees the one address, if it is still that lease: its owner may have renewed it since it was
    /// looked at. Returns whether it was.
    bool release(const Lease& lease);

    std::optional<Lease> find(const std::string& network, const ip::Address& address) const;
    std::vector<ip::Address> find(const Owner& owner) const;

    /// All leases of a network, by address. Reads everything: for people and audits.
    std::vector<Lease> leases(const std::string& network) const;

    /// Leases taken in the future count from now on; by their own time they would not be old for as
    /// long as the clock has gone back. CLOCK_BOOTTIME is another in another time namespace, and
    /// in a machine that goes on from what was saved of it.
    void amend_times(const std::string& network);

    /// Throws Exhausted where allocate() would, for a new owner without wishes. Changes nothing.
    void require_free(const std::string& network, const std::vector<RangeSet>& sets) const;

    /// True where no lease of `network` is left. Costs the same however many other leases there
    /// are.
    bool empty(const std::string& network) const;

    static constexpr std::chrono::seconds rest{60};

  private:
    std::unique_ptr<Database> database_;
};

} // namespace ipam
