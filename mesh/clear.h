#pragma once

#include "netlink/socket.h"

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace mesh {

/// Something of the project's on this host that is to go, or has gone.
struct Remnant {
    std::string what;         ///< "the tunnel ipip-ac10057f (podnet/host2) to 172.16.5.127"
    std::string by_hand;      ///< the command that removes it
    std::string trouble = {}; ///< why it is still there
};

struct Clearing {
    /// Where a stamp may tell on which devices forwarding was turned on.
    std::vector<std::filesystem::path> state_dirs;
    /// Devices that go, or went, besides: the pods' links. What stands on them is theirs.
    std::set<int> other_links = {};
    bool only_look = false; ///< change nothing
};

/// Takes away all that any network's mesh left in this network namespace, by its marks: tunnels,
/// endpoint, routes, nftables rules; and turns forwarding off again where a stamp of this boot
/// says that it was turned on. Goes on after a failure. Returns what there was, each with its
/// trouble if it is still there; nothing where nothing is left. REQUIRES, unless it only looks: the
/// locks of shut(). The calling thread and `route` are in the host's network namespace.
std::vector<Remnant> clear(netlink::Socket& route, const Clearing& clearing);

} // namespace mesh
