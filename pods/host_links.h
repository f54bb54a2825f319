#pragma once

#include "ipam/store.h"
#include "netlink/link.h"
#include "netlink/socket.h"

#include <map>
#include <string>

namespace pods {

/// The host ends of the network's pods, as they are now.
class HostLinks {
  public:
    /// Throws netlink::Error.
    HostLinks(netlink::Socket& host, const std::string& network);

    /// By the name that it was made with or, where someone gave it another, by its hardware
    /// address, which no one else has. Null where there is none; it lives as long as this.
    const netlink::Link* find(const ipam::Owner& owner) const;

  private:
    std::map<std::string, netlink::Link> by_name_; ///< as they were made
    std::map<ip::Mac, netlink::Link> unmarked_;    ///< all others
};

} // namespace pods
