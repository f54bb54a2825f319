#pragma once

#include "ipam/database.h"
#include "ipam/range.h"
#include "ipam/store.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ipam {

/// A time of CLOCK_BOOTTIME.
using BootTime = std::chrono::nanoseconds;

/// What is known of an address: it is leased or, released, it rests. Of most, nothing is.
struct KnownAddress {
    ip::Address address;
    BootTime since;
    std::string_view holder; ///< container NUL interface, empty: resting; good until the next write

    bool leased() const { return !holder.empty(); }
    std::string container() const { return std::string(holder.substr(0, holder.find('\0'))); }
    std::string interface() const { return std::string(holder.substr(holder.find('\0') + 1)); }
    bool rested(BootTime now) const { return !leased() && now - since >= Store::rest; }
};

/// The leases as they lie in the database: which keys there are, and what must change together.
///
/// Layout 1. The first byte of a key names its kind; NUL ends a name, which cannot hold one, so
/// that no network's keys lie among another's. Times and addresses are in network byte order, an
/// address behind '4' or '6', so that they sort by value.
///
///     a network NUL address                   since [container NUL interface]
///     c network NUL first-of-set last-of-set  the address that was given out last
///     o network NUL container NUL interface   the addresses held, one behind the other
///     q since network NUL address             (nothing) the resting addresses, longest first
///     v                                       the number of this layout
///
/// The longest is `o`, of 1 + 240 + 1 + 240 + 1 + 15 bytes: under LMDB's limit of 511.
class LeaseTable {
  public:
    static constexpr std::size_t name_limit = 240;
    static constexpr std::size_t interface_limit = 15;

    explicit LeaseTable(Transaction& transaction) : transaction_(transaction) {}

    static void put_layout(Transaction& transaction);

    /// Throws DamagedStore where the database is not one of this layout.
    static void check_layout(const Database& database);

    /// All that `owner` holds, the oldest first.
    std::vector<ip::Address> held(const Owner& owner) const;
    bool any_held(const std::string& network) const;
    std::optional<KnownAddress> find(const std::string& network, const ip::Address& address) const;

    /// Gives `owner` the address; once more, if it has it already. REQUIRES: nobody else has it.
    void take(const Owner& owner, const ip::Address& address, BootTime now);

    /// Follows take(): writes down all that the owner now holds.
    void set_held(const Owner& owner, const std::vector<ip::Address>& held);

    /// Takes these from `owner`, to rest, as all that it holds: what it keeps, set_held() says.
    void release(const Owner& owner, const std::vector<ip::Address>& held, BootTime now);

    /// Forgets a few of the addresses that have rested: more than one call lets rest. A few of
    /// those whose rest began in the future begin it now.
    void forget_rested(BootTime now);

    /// Leases of the network that were taken in the future, by a clock that is ahead of this one or
    /// before it was put back, count from now on. Returns whether there were any.
    bool amend_leases(const std::string& network, BootTime now);

    std::optional<ip::Address> last_given(const std::string& network, const RangeSet& set) const;
    void set_last_given(const std::string& network, const RangeSet& set, const ip::Address& last);

    /// The known addresses of a network from `from` on, in order. Lives no longer than the next
    /// write.
    class Walk {
      public:
        Walk(const LeaseTable& table, const std::string& network, const ip::Address& from = {});

        /// None behind the last.
        const std::optional<KnownAddress>& at() const { return at_; }
        void next();

      private:
        void read();

        Cursor cursor_;
        std::string prefix_;
        std::optional<KnownAddress> at_;
    };

    /// The addresses of a network that rest since `from` or later, the longest rested first. As
    /// Walk.
    class RestingWalk {
      public:
        RestingWalk(const LeaseTable& table, std::string network, BootTime from = {});

        const std::optional<ip::Address>& at() const { return at_; }
        void next();

      private:
        void read();

        Cursor cursor_;
        std::string network_;
        std::optional<ip::Address> at_;
    };

  private:
    void restart_rests(BootTime now);

    Transaction& transaction_;
};

} // namespace ipam
