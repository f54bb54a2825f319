#pragma once

#include "mesh/plan.h"
#include "netlink/socket.h"

namespace mesh {

/// What the kernel has that could be ours. Grows with the number of tunnels and pods. Throws
/// netlink::Error.
Observed observe(netlink::Socket& route);

} // namespace mesh
