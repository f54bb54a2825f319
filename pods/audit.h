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

/// Whether there are pods whose link is up and to which no route of the host leads; an ADD may be
/// about to make it. `endpoints` are this node's. Throws as abandoned().
bool lacks_routes(const ipam::Store& store, netlink::Socket& host, const std::string& network,
                  const std::vector<ip::Address>& endpoints);

/// Puts those routes back: they go with the endpoint, from which the host speaks to its pods, when
/// someone deletes it. Returns a line for each. REQUIRES: the endpoints stand; no ADD is between
/// its link and its route. Throws as abandoned().
std::vector<std::string> restore_routes(const ipam::Store& store, netlink::Socket& host,
                                        const std::string& network,
                                        const std::vector<ip::Address>& endpoints);

} // namespace pods
