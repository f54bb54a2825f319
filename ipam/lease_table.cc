#include "ipam/lease_table.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>

namespace ipam {
namespace {

constexpr std::string_view layout_key = "v";
constexpr std::string_view layout = "1";

constexpr std::size_t time_size = 8;

/// How many addresses forget_rested() forgets. A release adds one for each set, seldom above two.
constexpr int forgotten_at_once = 4;

void append_time(std::string& to, BootTime time) {
    const auto ticks = static_cast<std::uint64_t>(time.count());
    for (unsigned shift = 64; shift > 0;)
        to += static_cast<char>(ticks >> (shift -= 8));
}

BootTime read_time(std::string_view text) {
    std::uint64_t ticks = 0;
    for (const char c : text.substr(0, time_size))
        ticks = ticks << 8 | static_cast<unsigned char>(c);
    return BootTime(static_cast<BootTime::rep>(ticks));
}

void append_address(std::string& to, const ip::Address& address) {
    to += address.family() == ip::Family::v4 ? '4' : '6';
    for (const std::uint8_t byte : address.bytes())
        to += static_cast<char>(byte);
}

[[noreturn]] void refuse_lease(const Database& database) {
    throw DamagedStore("a lease in " + database.path() + " cannot be read: it ends too early",
                       database.inode());
}

/// Takes the address off the front.
ip::Address read_address(std::string_view& text, const Database& database) {
    const std::size_t size = text.starts_with('4') ? 4 : 16;
    if (text.size() < 1 + size)
        refuse_lease(database);
    std::array<std::uint8_t, 16> bytes{};
    std::ranges::copy(text.substr(1, size), bytes.begin());
    text.remove_prefix(1 + size);
    return ip::Address::from_bytes(std::span(bytes).first(size));
}

/// The kind, and the names each with a NUL behind.
std::string key(char kind, std::initializer_list<std::string_view> names) {
    std::string result(1, kind);
    for (const std::string_view name : names) {
        result += name;
        result += '\0';
    }
    return result;
}

std::string address_key(const std::string& network, const ip::Address& address) {
    std::string result = key('a', {network});
    append_address(result, address);
    return result;
}

std::string owner_key(const Owner& owner) {
    return key('o', {owner.network, owner.container, owner.interface});
}

std::string resting_key(BootTime since, const std::string& network, const ip::Address& address) {
    std::string result = "q";
    append_time(result, since);
    result += network;
    result += '\0';
    append_address(result, address);
    return result;
}

std::string last_given_key(const std::string& network, const RangeSet& set) {
    std::string result = key('c', {network});
    append_address(result, set.front().first);
    append_address(result, set.back().last);
    return result;
}

KnownAddress known(const ip::Address& address, std::string_view value, const Database& database) {
    if (value.size() < time_size)
        refuse_lease(database);
    return {.address = address, .since = read_time(value), .holder = value.substr(time_size)};
}

} // namespace

void LeaseTable::put_layout(Transaction& transaction) {
    transaction.put(layout_key, layout);
}

void LeaseTable::check_layout(const Database& database) {
    const Transaction transaction(database, Transaction::Mode::read);
    const auto found = transaction.get(layout_key);
    if (!found)
        throw DamagedStore(
            database.path() +
                " does not hold leases, or lost them: stop the containers of this host that "
                "have an address from it, remove the file, start them again",
            database.inode());
    if (*found != layout)
        throw DamagedStore(
            database.path() + " was written by another version, with leases in layout " +
                std::string(found->substr(0, 20)) + " where this one knows layout " +
                std::string(layout) + ": go back to that version, or restart this host",
            database.inode());
}

std::vector<ip::Address> LeaseTable::held(const Owner& owner) const {
    std::vector<ip::Address> result;
    std::string_view rest = transaction_.get(owner_key(owner)).value_or(std::string_view{});
    while (!rest.empty())
        result.push_back(read_address(rest, transaction_.database()));
    return result;
}

bool LeaseTable::any_held(const std::string& network) const {
    const std::string prefix = key('o', {network});
    Cursor cursor(transaction_);
    cursor.seek(prefix);
    return cursor && cursor.key().starts_with(prefix);
}

std::optional<KnownAddress> LeaseTable::find(const std::string& network,
                                             const ip::Address& address) const {
    const auto value = transaction_.get(address_key(network, address));
    return value ? std::optional(known(address, *value, transaction_.database())) : std::nullopt;
}

void LeaseTable::take(const Owner& owner, const ip::Address& address, BootTime now) {
    if (const auto resting = find(owner.network, address))
        transaction_.remove(resting_key(resting->since, owner.network, address));
    std::string value;
    append_time(value, now);
    value += owner.container;
    value += '\0';
    value += owner.interface;
    transaction_.put(address_key(owner.network, address), value);
}

void LeaseTable::set_held(const Owner& owner, const std::vector<ip::Address>& held) {
    std::string value;
    for (const ip::Address& address : held)
        append_address(value, address);
    transaction_.put(owner_key(owner), value);
}

void LeaseTable::release(const Owner& owner, const std::vector<ip::Address>& held, BootTime now) {
    std::string value;
    append_time(value, now);
    for (const ip::Address& address : held) {
        transaction_.put(address_key(owner.network, address), value);
        transaction_.put(resting_key(now, owner.network, address), {});
    }
    transaction_.remove(owner_key(owner));
}

void LeaseTable::forget_rested(BootTime now) {
    std::vector<std::string> rested; // a cursor does not outlive a write
    {
        Cursor cursor(transaction_);
        for (cursor.seek("q"); cursor && cursor.key().starts_with('q') &&
                               now - read_time(cursor.key().substr(1)) >= Store::rest &&
                               rested.size() < forgotten_at_once;
             cursor.next())
            rested.emplace_back(cursor.key());
    }
    for (const std::string& entry : rested) {
        transaction_.remove(entry);
        transaction_.remove('a' +
                            entry.substr(1 + time_size)); // network and address: the same bytes
    }
    restart_rests(now);
}

void LeaseTable::restart_rests(BootTime now) {
    std::string first = "q";
    append_time(first, now + BootTime(1));
    std::vector<std::string> later;
    {
        Cursor cursor(transaction_);
        for (cursor.seek(first);
             cursor && cursor.key().starts_with('q') && later.size() < forgotten_at_once;
             cursor.next())
            later.emplace_back(cursor.key());
    }
    std::string since;
    append_time(since, now);
    for (const std::string& entry : later) {
        const std::string place = entry.substr(1 + time_size); // network and address
        transaction_.remove(entry);
        transaction_.put('q' + since + place, {});
        transaction_.put('a' + place, since);
    }
}

bool LeaseTable::amend_leases(const std::string& network, BootTime now) {
    std::vector<std::pair<ip::Address, std::string>> later;
    for (Walk walk(*this, network); walk.at(); walk.next())
        if (walk.at()->leased() && walk.at()->since > now)
            later.emplace_back(walk.at()->address, walk.at()->holder);
    for (const auto& [address, holder] : later) {
        std::string value;
        append_time(value, now);
        transaction_.put(address_key(network, address), value + holder);
    }
    return !later.empty();
}

std::optional<ip::Address> LeaseTable::last_given(const std::string& network,
                                                  const RangeSet& set) const {
    auto value = transaction_.get(last_given_key(network, set));
    return value ? std::optional(read_address(*value, transaction_.database())) : std::nullopt;
}

void LeaseTable::set_last_given(const std::string& network, const RangeSet& set,
                                const ip::Address& last) {
    std::string value;
    append_address(value, last);
    transaction_.put(last_given_key(network, set), value);
}

LeaseTable::Walk::Walk(const LeaseTable& table, const std::string& network, const ip::Address& from)
    : cursor_(table.transaction_), prefix_(key('a', {network})) {
    cursor_.seek(address_key(network, from));
    read();
}

void LeaseTable::Walk::next() {
    cursor_.next();
    read();
}

void LeaseTable::Walk::read() {
    at_.reset();
    if (!cursor_ || !cursor_.key().starts_with(prefix_))
        return;
    std::string_view address = cursor_.key().substr(prefix_.size());
    at_ = known(read_address(address, cursor_.database()), cursor_.value(), cursor_.database());
}

LeaseTable::RestingWalk::RestingWalk(const LeaseTable& table, std::string network, BootTime from)
    : cursor_(table.transaction_), network_(std::move(network)) {
    network_ += '\0';
    std::string first = "q";
    append_time(first, from);
    cursor_.seek(first);
    read();
}

void LeaseTable::RestingWalk::next() {
    cursor_.next();
    read();
}

void LeaseTable::RestingWalk::read() {
    at_.reset();
    for (; cursor_ && cursor_.key().starts_with('q'); cursor_.next()) {
        std::string_view rest = cursor_.key().substr(1 + time_size);
        if (!rest.starts_with(network_))
            continue;
        rest.remove_prefix(network_.size());
        at_ = read_address(rest, cursor_.database());
        return;
    }
}

} // namespace ipam
