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

} // namespace pods
