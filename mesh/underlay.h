#pragma once

#include "ip/address.h"
#include "netlink/socket.h"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace mesh {

/// The way to the peers, as this node's routes have it.
struct Underlay {
    /// The largest packet towards each remote, in their order, bytes; none where no route leads, or
    /// its device has gone since.
    std::vector<std::optional<std::uint32_t>> mtus;
    /// The devices that packets to them leave by.
    std::set<std::string> devices;
};

/// One look-up for each remote, pipelined, and one for each device. What the kernel learned of a
/// path by the way (RFC 1191) is left to it: such knowledge expires, and path MTU discovery on
/// the tunnels follows it.
Underlay look_at_underlay(netlink::Socket& route, const std::vector<ip::Address>& remotes);

} // namespace mesh
