#include "agent/interface.h"

#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/socket.h"

#include <algorithm>
#include <net/if.h>
#include <optional>
#include <stdexcept>
#include <vector>

namespace agent {

namespace {

using netlink::InterfaceAddress;

/// None where there is no interface of that name, or it has no address.
std::optional<ip::Address> find_address(netlink::Socket& route, const std::string& interface,
                                        const std::vector<InterfaceAddress>& addresses) {
    if (interface.empty() || interface.size() >= IFNAMSIZ)
        return std::nullopt;
    const auto reply = route.find(netlink::get_link(interface));
    if (!reply)
        return std::nullopt;
    const auto found =
        std::ranges::find(addresses, netlink::to_link(reply).index, &InterfaceAddress::link);
    return found == addresses.end() ? std::nullopt : std::optional(found->local);
}

/// "eth0 (172.16.5.126), eth1 (192.0.2.1)", without tunnels.
std::string choice(netlink::Socket& route, const std::vector<InterfaceAddress>& addresses) {
    std::string text;
    for (const InterfaceAddress& entry : addresses) {
        const auto reply = route.find(netlink::get_link(entry.link));
        if (!reply)
            continue; // it went meanwhile
        if (const netlink::Link link = netlink::to_link(reply); link.kind != "ipip")
            text += (text.empty() ? "" : ", ") + link.name + " (" + entry.local.to_string() + ')';
    }
    return text;
}

} // namespace

ip::Address address_of(const std::string& interface) {
    netlink::Socket route;
    const auto addresses = netlink::dump_addresses(route, ip::Family::v4);
    if (const auto address = find_address(route, interface, addresses))
        return *address;
    throw std::runtime_error("--interface: \"" + interface +
                             "\" has no IPv4 address on this host; there are " +
                             choice(route, addresses));
}

} // namespace agent
