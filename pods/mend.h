#pragma once

#include "ip/address.h"
#include "ipam/store.h"
#include "netlink/socket.h"

#include <string>
#include <vector>

namespace pods {

/// Of which pods.
struct Mended {
    std::string network;
    std::vector<ip::Address> endpoints; ///< this node's, from which the host speaks to its pods
};

/// Whether a pod with a lease is cut off on the host's side: its link there is down, does not
/// forward or has another name, or no route of ours leads to it. An ADD may be about to make it so.
/// Throws ipam::StoreError, netlink::Error.
bool need_mending(const ipam::Store& store, netlink::Socket& host, const Mended& which);

struct Mending {
    std::vector<std::string> done;       ///< a line for each
    std::vector<std::string> in_the_way; ///< what others have where ours must be, a line for each
};

/// Puts right what was found. Routes go with the link's being up, and with the endpoint when
/// someone deletes it; forwarding goes on all links when someone writes to net.ipv4.ip_forward.
/// REQUIRES: the endpoints stand; no ADD is between its link and its route. Throws as
/// need_mending().
Mending mend(const ipam::Store& store, netlink::Socket& host, const Mended& which);

} // namespace pods
