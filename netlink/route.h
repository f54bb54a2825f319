#pragma once

#include "ip/cidr.h"
#include "netlink/request.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace netlink {

class Socket;

constexpr std::uint32_t main_table = 254; // RT_TABLE_MAIN

/// A route.
struct Route {
    ip::Cidr destination;
    int link = 0;                            ///< index of the device; 0 for an unreachable route
    std::optional<ip::Address> gateway = {}; ///< reached over `link` whatever other routes say
    std::optional<ip::Address> source = {};  ///< preferred source address
    std::uint32_t metric = 0;
    std::uint8_t protocol = 0; ///< who made it, rtnetlink(7); 94 is this project
    bool unreachable = false;  ///< answers "no route to host" instead of leading anywhere
    /// Of a route with a gateway: "sort of distance to the destination" (linux/rtnetlink.h), which
    /// may be anything from 0, everywhere, to 199. It is no part of a route's identity.
    std::uint8_t scope = 0;
    std::uint32_t table = main_table;
    std::uint32_t mtu = 0;    ///< of packets that take it, bytes; 0: the device's
    std::uint32_t advmss = 0; ///< offered to TCP peers, bytes; 0: the kernel's choice

    bool operator==(const Route&) const = default;
};

/// The route protocol of the project.
constexpr std::uint8_t own_protocol = 94;

/// That of what the kernel made by itself, such as the route to the peer of an address.
constexpr std::uint8_t kernel_protocol = 2; // RTPROT_KERNEL

enum class IfExists { fail, replace };

/// Throws nothing of its own. A route that exists (same destination and metric) is EEXIST, or is
/// replaced in one step, whoever made it.
Request add_route(const Route& route, IfExists if_exists = IfExists::fail);
Request delete_route(const Route& route);

/// Takes from a link the route to IPv6's multicast addresses, ff00::/8, that the kernel gives it as
/// it comes up. Where a link carries no IPv6 that is of no use, and it costs: the kernel goes
/// through all IPv6 routes of the namespace (fib6_clean_all) for every link that comes up, goes, or
/// loses its carrier. It may fail: without IPv6 there is none.
Request without_multicast_route(int link);

/// The entry of the routing tables that leads to `address`, with the attributes of the entry and
/// not of what was learned by the way (RTM_F_FIB_MATCH): one look-up, however many routes there
/// are.
Request get_route(const ip::Address& address);

/// A route as get_route found it.
struct RouteEntry {
    Route route;
    bool local = false;             ///< the address is this host's own
    std::vector<int> further_links; ///< beside `route.link`, where it is multipath
};
RouteEntry to_route(const Message& reply);

/// What get_route finds for each of many addresses: calls `take`, which leaves the socket alone,
/// with the number of each to which a route leads. Throws Error, and std::invalid_argument where
/// they are of two families.
void find_routes(Socket& socket, std::span<const ip::Address> addresses,
                 const std::function<void(std::size_t number, const RouteEntry& entry)>& take);

/// Whether `address` has a route of its own: then it is somebody's, of this host or of a pod.
/// Throws Error.
bool is_host_route(Socket& socket, const ip::Address& address);

/// The routes of the main table that this project made, filtered by the kernel.
std::vector<Route> dump_own_routes(Socket& socket, ip::Family family);

/// All routes of all tables that lead anywhere, whoever made them. Grows with their number.
std::vector<Route> dump_routes(Socket& socket, ip::Family family);

} // namespace netlink
