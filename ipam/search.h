#pragma once

#include "ipam/lease_table.h"

#include <functional>

namespace ipam {

/// "10.10.100.1 - 10.10.100.254, 10.10.101.1 - 10.10.101.254"
std::string describe(const RangeSet& set);

bool contains(const RangeSet& set, const ip::Address& address);
bool is_reserved(const RangeSet& set, const ip::Address& address);

/// What a search for a free address needs to know.
struct Search {
    const LeaseTable& table;
    const std::string& network;
    const RangeSet& set;
    const std::function<bool(const ip::Address&)>& in_use; ///< may be empty
    BootTime now;
};

/// The first address behind the one given out last that is neither leased, reserved, resting nor in
/// use; else the longest resting. Throws Exhausted.
///
/// Performance: one lookup, and a step for each address passed over. It never counts through
/// a range, so that an IPv6 one costs no more; that all of 65,000 are leased takes milliseconds to
/// find.
ip::Address find_free(const Search& search);

} // namespace ipam
