#pragma once

#include "ip/address.h"
#include "ipam/store.h"
#include "netlink/socket.h"

#include <string>
#include <vector>

namespace pods {

/// The leases of pods that are gone, as a runtime that crashed leaves them, on two proofs: neither
/// the pod's link nor a route to its address is there. The link of a lease younger than a minute
/// may be yet to come. Throws ipam::StoreError, netlink::Error.
std::vector<ipam::Lease> abandoned(const ipam::Store& store, netlink::Socket& host,
                                   const std::string& network);

/// Puts back the host's routes to those pods whose link is there and whose route is not: they go
/// with the endpoint, from which the host speaks to its pods, when someone deletes it. `endpoints`
/// are this node's, and stand. Returns a line for each. Throws as abandoned().
std::vector<std::string> restore_routes(const ipam::Store& store, netlink::Socket& host,
                                        const std::string& network,
                                        const std::vector<ip::Address>& endpoints);

} // namespace pods
