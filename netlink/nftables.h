#pragma once

#include "ip/cidr.h"
#include "netlink/arrival.h"

#include <cstdint>
#include <optional>
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

/// What is dropped before anything else looks at it:
/// - what a pod sends inside of IPv4 or IPv6 (protocols 4 and 41): behind an address of the node's,
///   which a masquerade gives it, a peer would take it for the node's own;
/// - what comes from a pod or a tunnel with a source that is not answered there, but for peers' own
///   addresses. A device's rp_filter says the same for IPv4 alone and without exception, and only
///   while net.ipv4.conf.all.rp_filter is not 2.
struct SourceCheck {
    std::uint32_t pod_group; ///< of the host ends of pods: tells what comes from one
    std::string tunnels;     ///< what the names of the tunnels begin with; empty: not checked

    /// A tunnel to all takes protocol 4 from anyone: with this, what others than `peers` send to
    /// `own` is dropped too.
    struct Senders {
        ip::Address own;
        std::vector<ip::Cidr> peers;

        bool operator==(const Senders&) const = default;
    };
    std::optional<Senders> senders;

    /// Tunnels, each with its peer's own address, which that may speak from although the way back
    /// is another: a node answers a pod from the address that it was asked at.
    std::vector<Arrival> peers;

    /// This node's own, with the endpoint. What comes to one of them from a source that is answered
    /// by a tunnel, and did not come by one, is dropped.
    std::vector<ip::Cidr> own_pods;

    bool operator==(const SourceCheck&) const = default;
};

/// Counts how often what the rules say of the same Rules has changed: those that an earlier version
/// set are made anew.
inline constexpr int rules_version = 3;

struct Rules {
    std::optional<Masquerade> masquerade;
    std::optional<SourceCheck> source_check;

    bool empty() const { return !masquerade && !source_check; }
    bool operator==(const Rules&) const = default;
};

// All of it lives in the nftables table `inet ipip-cni` of the calling thread's network namespace.

/// Whether this kernel has nftables. Throws Error.
bool has_nftables();

/// Whether the table says that it was made from `rules` and has as many as it was made with. Throws
/// Error.
bool has_rules(const Rules& rules);

/// Whether the rules can look for a packet's way back (CONFIG_NFT_FIB_INET), as far as can be
/// known: not without nftables, nor where the table that stands had to do without. Throws Error.
bool looks_for_way_back();

/// Replaces the whole table in one transaction, so that no packet meets half of it; does nothing
/// where has_rules(). A kernel that cannot look for a packet's way back gets the other rules.
/// Returns whether it changed it. Throws Error.
bool set_rules(const Rules& rules);

/// Whether there is the table, whatever is in it; a kernel without nftables has none. Throws Error.
bool has_rules_table();

/// Removes the table. Returns whether there was one. Throws Error.
bool remove_rules();

} // namespace netlink
