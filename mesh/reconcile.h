#pragma once

#include "mesh/nodes.h"
#include "netlink/socket.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace mesh {

/// How many devices a mesh has.
enum class Topology {
    pairs, ///< one to each peer
    /// One to all, with a route through each peer's address: cheap where there are thousands. It
    /// has one MTU, the least, and one set of counters, and takes packets from any address on the
    /// underlay; its source check only sees to it that the inner address is a peer's.
    shared,
};

/// What a mesh is made like, beyond who is in it.
struct Settings {
    std::string network; ///< the name of the CNI network, which owns the mesh
    Topology topology = Topology::pairs;
    std::uint32_t mtu = 0;   ///< of every tunnel, bytes; 0: found out for each
    std::uint8_t ttl = 64;   ///< of the outer header
    bool masquerade = false; ///< pods' traffic to outside the cluster
    /// Drop what a pod or a peer sends from an address that is not its own, and pods' tunnels.
    bool check_source = true;
};

struct Reconciled {
    std::size_t self; ///< which of the nodes this host is
    /// The largest packet that fits every tunnel, and so what a pod's link may carry; bytes.
    std::uint32_t pod_mtu;
    /// Devices whose forwarding was off and is on now.
    std::vector<std::string> forwarding_turned_on;
    /// What was changed, a line each, such as "made the tunnel ipip-ac10057f (podnet/host2) ...".
    std::vector<std::string> changes;
};

/// Told which devices' forwarding is about to be turned on, so that it can be turned off again
/// by `dismantle` whatever happens in between.
using ForwardingNote = std::function<void(const std::vector<std::string>& devices)>;

/// Makes the kernel's tunnels, endpoint, routes and nftables rules those that `nodes` want: what
/// is missing comes, what differs changes, what is ours and no longer wanted goes; nothing else is
/// touched, and nothing at all where all is as it should be. Its look at the kernel grows with
/// the number of tunnels and pods. The calling thread and `route` are in the host's network
/// namespace. Throws json::FieldError where `nodes` and host do not fit (find_self), Conflict,
/// netlink::Error; in the latter two cases part of it may be done, and the next call does the rest.
Reconciled reconcile(netlink::Socket& route, const std::vector<Node>& nodes,
                     const std::optional<std::string>& node_name, const Settings& settings,
                     const ForwardingNote& note_forwarding = {});

/// How the kernel's mesh compares with what `nodes` want.
struct Inspection {
    std::size_t self;
    std::uint32_t pod_mtu; ///< as of Reconciled
    /// What reconcile() would mend, a line each, such as "the tunnel ipip-ac10057f ... is missing".
    std::vector<std::string> wrongs;
};

/// Looks at what reconcile() looks at, and changes nothing. Throws as it does.
Inspection inspect(netlink::Socket& route, const std::vector<Node>& nodes,
                   const std::optional<std::string>& node_name, const Settings& settings);

/// Removes all of the network's mesh from this host and turns forwarding off again on the devices
/// named. Returns what was removed, a line each. Throws as reconcile does.
std::vector<std::string> dismantle(netlink::Socket& route, const std::string& network,
                                   const std::vector<std::string>& forwarding_turned_on);

} // namespace mesh
