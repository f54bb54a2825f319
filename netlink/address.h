#pragma once

#include "ip/cidr.h"
#include "netlink/request.h"

#include <optional>
#include <string>
#include <vector>

namespace netlink {

class Socket;

/// An address on a device. mesh/plan.cc compares it field by field.
struct InterfaceAddress {
    int link = 0;                    ///< index of the device
    ip::Address local;               ///< the device's own
    std::optional<ip::Address> peer; ///< of a point-to-point device
    unsigned prefix = 0;             ///< length; of the peer's side where there is one
    std::string label = {};          ///< IPv4 only, at most 15 characters; empty: the device's name
    bool link_scope = false;         ///< never chosen as a source towards other links

    bool operator==(const InterfaceAddress&) const = default;
};

Request add_address(const InterfaceAddress& address);
Request delete_address(const InterfaceAddress& address);

/// All addresses of a family on all devices.
std::vector<InterfaceAddress> dump_addresses(Socket& socket, ip::Family family);

} // namespace netlink
