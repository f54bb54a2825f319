#include "ipam/store.h"

#include "ipam/boot_file.h"
#include "ipam/search.h"

#include <algorithm>
#include <ctime>

namespace ipam {
namespace {

using Mode = Transaction::Mode;

BootTime now() {
    timespec time{};
    clock_gettime(CLOCK_BOOTTIME, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void check_name(std::string_view what, std::string_view name, std::size_t limit) {
    const auto refuse = [&](const std::string& why) -> std::invalid_argument {
        return std::invalid_argument("the name of the " + std::string(what) + ' ' + why);
    };
    if (name.empty())
        throw refuse("is empty");
    if (name.size() > limit)
        throw refuse("has " + std::to_string(name.size()) + " bytes; " + std::to_string(limit) +
                     " are the most");
    if (name.find('\0') != std::string_view::npos)
        throw refuse("holds a NUL byte");
}

void check_network(const std::string& network) {
    check_name("network", network, LeaseTable::name_limit);
}

void check(const Owner& owner) {
    check_network(owner.network);
    check_name("container", owner.container, LeaseTable::name_limit);
    check_name("interface", owner.interface, LeaseTable::interface_limit);
}

void check(const std::vector<RangeSet>& sets) {
    for (const RangeSet& set : sets) {
        if (set.empty())
            throw std::invalid_argument("a set of ranges is empty");
        for (const Range& range : set)
            if (range.last < range.first || range.first.family() != set.front().first.family() ||
                range.last.family() != set.front().first.family())
                throw std::invalid_argument("a range does not count up within one family: " +
                                            describe(set));
    }
}

/// The requested addresses, each in the place of its set.
std::vector<std::optional<ip::Address>> by_set(const Store::Wish& wish) {
    std::vector<std::optional<ip::Address>> result(wish.sets.size());
    for (const ip::Address& address : wish.requested) {
        std::optional<ip::Address> rival;
        std::string ranges;
        std::size_t i = 0;
        for (; i < wish.sets.size(); ++i) {
            ranges.append(ranges.empty() ? "" : ", ").append(describe(wish.sets[i]));
            if (!contains(wish.sets[i], address))
                continue;
            if (!result[i])
                break;
            rival = result[i];
        }
        if (i < wish.sets.size())
            result[i] = address;
        else if (rival)
            throw Unavailable(rival->to_string() + " and " + address.to_string() +
                              " cannot both be had: one address is given out of " + ranges);
        else
            throw Unavailable(address.to_string() + " is outside of " + ranges +
                              "; ask for an address inside");
    }
    return result;
}

std::string describe(const std::string& container, const std::string& interface) {
    return "interface " + interface + " of container " + container;
}

/// Of the addresses that its owner has and that no other set has kept, the one to keep for `set`:
/// the requested one rather than another.
std::optional<ip::Address> take_kept(std::vector<ip::Address>& held, const RangeSet& set,
                                     const std::optional<ip::Address>& requested) {
    const auto eligible = [&](const ip::Address& address) {
        return contains(set, address) && !is_reserved(set, address);
    };
    auto kept = std::ranges::find_if(held, [&](const ip::Address& address) {
        return address == requested && eligible(address);
    });
    if (kept == held.end())
        kept = std::ranges::find_if(held, eligible);
    if (kept == held.end())
        return std::nullopt;
    const ip::Address address = *kept;
    held.erase(kept);
    return address;
}

void require_available(const Search& search, const ip::Address& address) {
    constexpr const char* mend = "; ask for another";
    if (is_reserved(search.set, address))
        throw Unavailable(address.to_string() + " is reserved" + mend);
    const auto known = search.table.find(search.network, address);
    if (known && known->leased())
        throw Unavailable(address.to_string() + " is held by " +
                          describe(known->container(), known->interface()) + mend);
    if (search.in_use && search.in_use(address))
        throw Unavailable(address.to_string() + " is used by something else" + mend);
}

Lease lease(const std::string& network, const KnownAddress& known) {
    return {.address = known.address,
            .owner = {network, known.container(), known.interface()},
            .since = std::chrono::floor<std::chrono::seconds>(known.since)};
}

} // namespace

std::chrono::seconds boot_time() {
    return std::chrono::floor<std::chrono::seconds>(now());
}

Store::Store(const std::filesystem::path& directory, const Known& known)
    : database_(std::make_unique<Database>(boot_file(directory, known))) {
    LeaseTable::check_layout(*database_);
}

Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Store::Allocation Store::allocate(const Owner& owner, const Wish& wish) {
    check(owner);
    check(wish.sets);
    const auto requested = by_set(wish);

    Transaction transaction(*database_, Mode::write);
    LeaseTable table(transaction);
    const BootTime time = now(); // behind the lock: later calls have later times
    std::vector<ip::Address> held = table.held(owner);
    std::vector<ip::Address> unkept = held;

    Allocation result{.addresses = {}, .adopted = true};
    for (std::size_t i = 0; i < wish.sets.size(); ++i) {
        const RangeSet& set = wish.sets[i];
        const Search search{table, owner.network, set, wish.in_use, time};
        if (const auto kept = take_kept(unkept, set, requested[i])) {
            if (requested[i] && *requested[i] != *kept)
                throw Unavailable(requested[i]->to_string() +
                                  " cannot be had: " + describe(owner.container, owner.interface) +
                                  " holds " + kept->to_string() + " already; release that first");
            result.addresses.push_back(*kept);
            table.take(owner, *kept, time); // a lease of long ago without a link would be freed
            continue;
        }
        result.adopted = false;
        if (requested[i])
            require_available(search, *requested[i]);
        const ip::Address address = requested[i] ? *requested[i] : find_free(search);
        table.take(owner, address, time);
        if (!requested[i])
            table.set_last_given(owner.network, set, address);
        result.addresses.push_back(address);
        held.push_back(address);
    }
    table.set_held(owner, held);
    table.forget_rested(time);
    transaction.commit();
    return result;
}

std::vector<ip::Address> Store::release(const Owner& owner) {
    check(owner);
    Transaction transaction(*database_, Mode::write);
    LeaseTable table(transaction);
    std::vector<ip::Address> held = table.held(owner);
    if (held.empty())
        return held;
    const BootTime time = now();
    table.release(owner, held, time);
    table.forget_rested(time);
    transaction.commit();
    return held;
}

bool Store::release(const Lease& lease) {
    const Owner& owner = lease.owner;
    check(owner);
    Transaction transaction(*database_, Mode::write);
    LeaseTable table(transaction);
    const auto known = table.find(owner.network, lease.address);
    if (!known || !known->leased() || ipam::lease(owner.network, *known) != lease)
        return false;
    std::vector<ip::Address> kept = table.held(owner);
    std::erase(kept, lease.address);
    const BootTime time = now();
    table.release(owner, {lease.address}, time);
    if (!kept.empty())
        table.set_held(owner, kept);
    table.forget_rested(time);
    transaction.commit();
    return true;
}

std::optional<Lease> Store::find(const std::string& network, const ip::Address& address) const {
    check_network(network);
    Transaction transaction(*database_, Mode::read);
    const auto known = LeaseTable(transaction).find(network, address);
    return known && known->leased() ? std::optional(lease(network, *known)) : std::nullopt;
}

std::vector<ip::Address> Store::find(const Owner& owner) const {
    check(owner);
    Transaction transaction(*database_, Mode::read);
    return LeaseTable(transaction).held(owner);
}

std::vector<Lease> Store::leases(const std::string& network) const {
    check_network(network);
    Transaction transaction(*database_, Mode::read);
    std::vector<Lease> result;
    for (LeaseTable::Walk walk(LeaseTable(transaction), network); walk.at(); walk.next())
        if (walk.at()->leased())
            result.push_back(lease(network, *walk.at()));
    return result;
}

void Store::amend_times(const std::string& network) {
    const auto has_later = [&] {
        const auto all = leases(network);
        return std::ranges::any_of(all, [](const Lease& lease) { return lease.since > now(); });
    };
    if (!has_later()) // the usual case keeps nobody waiting
        return;
    Transaction transaction(*database_, Mode::write);
    if (LeaseTable(transaction).amend_leases(network, now()))
        transaction.commit();
}

void Store::require_free(const std::string& network, const std::vector<RangeSet>& sets) const {
    check_network(network);
    check(sets);
    Transaction transaction(*database_, Mode::read);
    const LeaseTable table(transaction);
    for (const RangeSet& set : sets)
        find_free({table, network, set, {}, now()});
}

bool Store::empty(const std::string& network) const {
    check_network(network);
    Transaction transaction(*database_, Mode::read);
    return !LeaseTable(transaction).any_held(network);
}

} // namespace ipam
