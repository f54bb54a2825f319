#include "ipam/range.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace ipam {

Range usable(const ip::Cidr& subnet, std::vector<ip::Address> reserved) {
    const unsigned bits = subnet.network().bits();
    const bool broadcast = subnet.family() == ip::Family::v4;
    const auto nothing_left = [&](const std::string& why) -> std::invalid_argument {
        return std::invalid_argument(subnet.to_string() + " leaves no address to give out" + why +
                                     "; use a prefix of at most /" +
                                     std::to_string(longest_pod_prefix(subnet.family())));
    };
    if (subnet.length() >= (broadcast ? bits - 1 : bits))
        throw nothing_left("");

    Range result;
    result.first = *subnet.network().next();
    // The broadcast address ends in a 1 bit: without it, it is the address before.
    result.last = broadcast ? subnet.last().masked(bits - 1) : subnet.last();

    std::ranges::sort(reserved);
    reserved.erase(std::unique(reserved.begin(), reserved.end()), reserved.end());
    std::erase_if(reserved, [&](const ip::Address& a) { return !contains(result, a); });
    result.reserved = std::move(reserved);

    // Sorted and without repetition, the reserved addresses fill the span if counting up from its
    // first meets each of them and ends at its last.
    std::optional<ip::Address> unreserved = result.first;
    for (const ip::Address& taken : result.reserved) {
        if (taken != *unreserved)
            break;
        if (taken == result.last)
            throw nothing_left(" beside the reserved");
        unreserved = taken.next();
    }
    return result;
}

unsigned longest_pod_prefix(ip::Family family) {
    return family == ip::Family::v4 ? 30 : 126;
}

bool contains(const Range& range, const ip::Address& address) {
    return range.first <= address && address <= range.last;
}

} // namespace ipam
