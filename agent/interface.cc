#include "agent/interface.h"

#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/socket.h"

#include <stdexcept>

namespace agent {

ip::Address address_of(const std::string& interface) {
    netlink::Socket route;
    std::string choice;
    for (const auto& entry : netlink::dump_addresses(route, ip::Family::v4)) {
        const auto reply = route.find(netlink::get_link(entry.link));
        if (!reply)
            continue; // it went meanwhile
        const std::string name = netlink::to_link(reply).name;
        if (name == interface)
            return entry.local;
        choice += (choice.empty() ? "" : ", ") + name + " (" + entry.local.to_string() + ')';
    }
    throw std::runtime_error("--interface: \"" + interface +
                             "\" has no IPv4 address on this host; there are " + choice);
}

} // namespace agent
