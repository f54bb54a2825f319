#include "ipam/search.h"

#include <algorithm>

namespace ipam {
namespace {

struct Span {
    ip::Address first;
    ip::Address last;
};

/// All of the set once, beginning behind `last_given` where that is part of it.
std::vector<Span> round(const RangeSet& set, const std::optional<ip::Address>& last_given) {
    const auto start = std::ranges::find_if(
        set, [&](const Range& range) { return last_given && contains(range, *last_given); });
    std::vector<Span> result;
    if (start != set.end() && *last_given < start->last)
        result.push_back({*last_given->next(), start->last});
    for (auto range = start == set.end() ? start : start + 1; range != set.end(); ++range)
        result.push_back({range->first, range->last});
    for (auto range = set.begin(); range != start; ++range)
        result.push_back({range->first, range->last});
    if (start != set.end())
        result.push_back({start->first, *last_given});
    return result;
}

/// Why addresses were passed over.
struct Tally {
    std::size_t leased = 0;
    std::size_t reserved = 0;
    std::size_t in_use = 0;
};

std::optional<ip::Address> first_free(const Search& search, const Span& span, Tally& tally) {
    LeaseTable::Walk known(search.table, search.network, span.first);
    for (std::optional<ip::Address> address = span.first; address && *address <= span.last;
         address = address->next()) {
        bool leased = false;
        bool resting = false;
        if (known.at() && known.at()->address == *address) {
            leased = known.at()->leased();
            resting = !leased && !known.at()->rested(search.now);
            known.next();
        }
        if (leased)
            ++tally.leased;
        else if (is_reserved(search.set, *address))
            ++tally.reserved;
        else if (resting)
            continue;
        else if (search.in_use && search.in_use(*address))
            ++tally.in_use;
        else
            return address;
    }
    return std::nullopt;
}

/// Of those that first_free() passed over because they rest.
std::optional<ip::Address> longest_resting(const Search& search, Tally& tally) {
    const BootTime since = std::max(search.now - Store::rest + BootTime(1), BootTime(0));
    for (LeaseTable::RestingWalk resting(search.table, search.network, since); resting.at();
         resting.next()) {
        const ip::Address& address = *resting.at();
        if (!contains(search.set, address) || is_reserved(search.set, address))
            continue;
        if (!search.in_use || !search.in_use(address))
            return address;
        ++tally.in_use;
    }
    return std::nullopt;
}

std::string why(const Tally& tally) {
    const std::size_t all = tally.leased + tally.reserved + tally.in_use;
    if (tally.leased == all)
        return "all " + std::to_string(all) + " are leased";
    std::string result =
        "of " + std::to_string(all) + ", " + std::to_string(tally.leased) + " leased";
    if (tally.reserved > 0)
        result += ", " + std::to_string(tally.reserved) + " reserved";
    if (tally.in_use > 0)
        result += ", " + std::to_string(tally.in_use) + " used by something else";
    return result;
}

} // namespace

std::string describe(const RangeSet& set) {
    std::string result;
    for (const Range& range : set)
        result.append(result.empty() ? "" : ", ")
            .append(range.first.to_string())
            .append(" - ")
            .append(range.last.to_string());
    return result;
}

bool contains(const RangeSet& set, const ip::Address& address) {
    return std::ranges::any_of(set, [&](const Range& range) { return contains(range, address); });
}

bool is_reserved(const RangeSet& set, const ip::Address& address) {
    return std::ranges::any_of(set, [&](const Range& range) {
        return std::ranges::find(range.reserved, address) != range.reserved.end();
    });
}

ip::Address find_free(const Search& search) {
    Tally tally;
    for (const Span& span : round(search.set, search.table.last_given(search.network, search.set)))
        if (const auto address = first_free(search, span, tally))
            return *address;
    if (const auto address = longest_resting(search, tally))
        return *address;
    throw Exhausted(
        "no free address in " + describe(search.set) + " of network \"" + search.network +
        "\": " + why(tally) +
        "; give the network more addresses, or release those of containers that are gone");
}

} // namespace ipam
