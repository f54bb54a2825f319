#pragma once

#include "mesh/plan.h"
#include "netlink/socket.h"

namespace mesh {

/// Carries out `changes`, which were planned from `observed`, in a few pipelined system calls.
/// Throws Conflict where a route of someone else is in the way, NoTunnels, netlink::Error; what
/// could be done is done then.
void apply(netlink::Socket& route, const Changes& changes, const Observed& observed);

/// A line for each change, for the log.
std::vector<std::string> describe(const Changes& changes);

/// What those changes would mend, a line each, such as "the route 10.10.200.0/24 to ipip-ac10057f
/// is missing or wrong".
std::vector<std::string> describe_wrongs(const Changes& changes);

} // namespace mesh
