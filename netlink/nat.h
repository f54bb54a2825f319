#pragma once

#include "ip/cidr.h"

#include <string>
#include <vector>

namespace netlink {

/// What the node's one masquerade rule of a family says: packets from `sources` to anywhere but
/// `spared` leave with the address of the interface that they leave by.
struct Masquerade {
    std::vector<ip::Cidr> sources; ///< of any family; no two overlap
    std::vector<ip::Cidr> spared;  ///< likewise; multicast is spared besides

    bool operator==(const Masquerade&) const = default;
};

// All of it lives in the nftables table `inet ipip-cni` of the calling thread's network namespace.

/// Whether the table says that it was made from `rules` and has as many as they make. Throws Error.
bool has_masquerade(const Masquerade& rules);

/// Replaces the whole table in one transaction, so that no packet meets half of it; does nothing
/// where has_masquerade(). Returns whether it changed it. Throws Error.
bool masquerade(const Masquerade& rules);

/// Whether there is the table, whatever is in it; a kernel without nftables has none. Throws Error.
bool has_masquerade_table();

/// Removes the table. Returns whether there was one. Throws Error.
bool remove_masquerade();

} // namespace netlink
