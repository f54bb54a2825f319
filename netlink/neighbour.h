#pragma once

#include "ip/mac.h"
#include "netlink/request.h"

#include <optional>

namespace netlink {

/// A permanent entry of the neighbour table: `address` is at `mac`, without ARP or ND.
Request add_neighbour(int link, const ip::Address& address, const ip::Mac& mac);

/// The entry for `address` on a device.
Request get_neighbour(int link, const ip::Address& address);

/// What get_neighbour found.
struct Neighbour {
    std::optional<ip::Mac> mac;
    bool permanent = false;
};
Neighbour to_neighbour(const Message& reply);

} // namespace netlink
