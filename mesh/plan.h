#pragma once

#include "mesh/conflict.h"
#include "mesh/nodes.h"
#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/route.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// The tunnels of this node as data: what must stand, what the kernel has, what to change. Pure.

namespace mesh {

/// A device to one peer, or to all of them, and what leads into it.
struct Tunnel {
    struct Way {
        ip::Cidr destination;
        ip::Address remote; ///< the peer on the underlay
    };
    netlink::TunnelDevice device;
    ip::Address endpoint;                     ///< this node's
    std::optional<ip::Address> peer_endpoint; ///< of the one peer
    std::vector<Way> ways;
};

// Values of rp_filter: no check of the source; it must be answered by the same device; it must be
// answered at all (RFC 3704 sections 2.2 and 2.4). Of a device's and that for all devices the
// higher one counts.
inline constexpr int unchecked = 0;
inline constexpr int strict = 1;
inline constexpr int loose = 2;

struct Wanted {
    std::string network;
    std::vector<Tunnel> tunnels;
    std::optional<ip::Address> endpoint; ///< none: the mesh is to go
    std::vector<ip::Cidr> own_pod_cidrs;
    int rp_filter = strict; ///< of the tunnels
};

/// What the kernel has that could be ours.
struct Observed {
    std::vector<netlink::Link> tunnels; ///< every device of the kind ipip, whoever made it
    std::vector<netlink::InterfaceAddress> addresses;
    std::vector<netlink::Route> routes; ///< those of protocol 94
};

/// Changes in the order in which they are carried out. Devices are named, since those to be made
/// have no index yet.
struct Changes {
    struct Address {
        std::string device;
        netlink::InterfaceAddress address; ///< without `link`
    };
    struct Route {
        std::string device;   ///< empty for an unreachable route
        netlink::Route route; ///< without `link`
        netlink::IfExists if_exists;
        std::optional<ip::Address> remote; ///< the peer; none for an unreachable route
    };
    /// Devices of ours that lead elsewhere than they are named after: in the way of those that do.
    std::vector<std::string> delete_first;
    std::vector<netlink::TunnelDevice> make;
    std::vector<netlink::TunnelDevice> change;
    struct Configure {
        std::string device;
        netlink::LinkSettings settings;
    };
    std::vector<Configure> configure;
    // Where one device to all takes over from those to one peer each, or the other way round, a
    // packet may come by the one while its answer would take the other. That the strict source
    // check does not let pass, nor the loose one (RFC 3704 section 2.4) on a device without
    // address.
    std::vector<Configure> loosen; ///< devices that go: loosely checked until then
    std::vector<Address> add_addresses;
    std::vector<Configure> bring_up; ///< new devices, which are loosely checked at first
    std::vector<Route> add_routes;
    std::vector<Configure> tighten; ///< those
    /// The kernel's own routes to endpoints of peers whose devices go: the wider ones lead there.
    std::vector<netlink::Route> delete_endpoint_routes;
    std::vector<netlink::Route> delete_routes;
    std::vector<netlink::InterfaceAddress> delete_addresses;
    std::vector<std::string> delete_devices;

    bool empty() const;
};

/// What the name of each device of ours begins with.
inline constexpr const char* device_prefix = "ipip-";

/// The name of the device to `remote`: the prefix and the address in hexadecimal. Two peers never
/// share one, since the kernel itself allows one ipip device a pair of addresses. That to all
/// peers, as the kernel has it, is to 0.0.0.0.
std::string device_name(const std::optional<ip::Address>& remote);

/// The alias of the device to a peer: "NETWORK/PEER"; to all, "NETWORK/*".
std::string device_alias(const std::string& network, const std::string& peer);

/// The label of the endpoint's address on the loopback device, by which it is known as ours.
inline constexpr const char* endpoint_label = "lo:ipip";
inline constexpr int loopback_index = 1; // in every network namespace

/// What leads from `observed` to `wanted`: nothing where they agree. What was not made by this
/// project is neither changed nor removed. Throws Conflict.
Changes plan(const Wanted& wanted, const Observed& observed);

/// What of it this project made, for whichever network: devices by their name, with the alias that
/// they get or, of one in the making, none; addresses by their label; routes by their protocol.
/// What stands on such a device goes with it and is left out.
Observed select_ours(const Observed& observed);

} // namespace mesh
