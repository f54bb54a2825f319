#pragma once

#include "ip/mac.h"
#include "netlink/request.h"

namespace netlink {

/// A permanent entry of the neighbour table: `address` is at `mac`, without ARP or ND.
Request add_neighbour(int link, const ip::Address& address, const ip::Mac& mac);

} // namespace netlink
