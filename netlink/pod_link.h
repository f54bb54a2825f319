#pragma once

#include "ip/address.h"
#include "ip/mac.h"
#include "netlink/netns.h"

#include <cstdint>
#include <string>
#include <vector>

namespace netlink {

/// One pod's wiring: a veth pair, the pod's addresses, its default routes, and the host's routes
/// to it. No bridge: the pod's only neighbour is the node, which answers as its gateway.
struct PodLink {
    std::string host_name;
    std::string alias;
    std::string pod_name;
    ip::Mac host_mac;
    ip::Mac pod_mac;
    std::uint32_t mtu;
    std::vector<ip::Address> addresses; ///< the pod's, each as a /32 or /128
    std::vector<ip::Address> gateways;  ///< the node's endpoint, one a family of the addresses
    bool check_source = true; ///< the host drops what the pod sends from an address not its own
};

/// Whether the pod has an interface of this name already. Throws Error.
bool has_link(Socket& pod, const std::string& name);

/// Wires the pod. Throws Error; then everything that was made is gone again. The gateways must
/// be addresses of this host.
void attach(Socket& host, const Netns& pod, const PodLink& link);

/// Deletes the host end and with it the pod's end and every address and route of either. It needs
/// nothing of the pod. Returns whether it was there. Throws Error.
bool detach(Socket& host, const std::string& host_name);

} // namespace netlink
