#pragma once

#include "ip/address.h"

#include <string>

namespace netlink {

/// By which device a packet came, and from what IPv4 address.
struct Arrival {
    std::string device;
    ip::Address source;

    bool operator==(const Arrival&) const = default;
};

} // namespace netlink
