#pragma once

#include "netlink/link.h"
#include "netlink/socket.h"

#include <map>
#include <string>

namespace pods {

/// The host ends of the network's pods, by name. Throws netlink::Error.
std::map<std::string, netlink::Link> host_links(netlink::Socket& host, const std::string& network);

} // namespace pods
