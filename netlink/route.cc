#include "netlink/route.h"

#include "netlink/message.h"

#include <cerrno>
#include <linux/rtnetlink.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

namespace netlink {

namespace {

using RouteObject = Owned<rtnl_route, rtnl_route_put>;

int af(ip::Family family) {
    return family == ip::Family::v4 ? AF_INET : AF_INET6;
}

RouteObject to_rtnl(const Route& route) {
    RouteObject object(allocated(rtnl_route_alloc()));
    built(rtnl_route_set_dst(object.get(), to_addr(route.destination).get()));
    rtnl_route_set_table(object.get(), route.table);
    rtnl_route_set_protocol(object.get(), route.protocol);
    // libnl omits a priority of 0, which is the kernel's own default for IPv4.
    if (route.metric != 0)
        rtnl_route_set_priority(object.get(), route.metric);
    for (const auto& [metric, value] :
         {std::pair(RTAX_MTU, route.mtu), std::pair(RTAX_ADVMSS, route.advmss)})
        if (value != 0)
            built(rtnl_route_set_metric(object.get(), metric, value));
    if (route.source)
        built(rtnl_route_set_pref_src(object.get(), to_addr(*route.source).get()));
    rtnl_route_set_scope(object.get(), RT_SCOPE_UNIVERSE);
    if (route.unreachable) {
        built(rtnl_route_set_type(object.get(), RTN_UNREACHABLE));
        return object;
    }
    rtnl_nexthop* hop = allocated(rtnl_route_nh_alloc());
    rtnl_route_add_nexthop(object.get(), hop); // which owns it from here
    rtnl_route_nh_set_ifindex(hop, route.link);
    if (route.gateway) {
        rtnl_route_nh_set_gateway(hop, to_addr(*route.gateway).get());
        rtnl_route_nh_set_flags(hop, RTNH_F_ONLINK);
    } else {
        rtnl_route_set_scope(object.get(), RT_SCOPE_LINK);
    }
    return object;
}

std::string shown(const Route& route) {
    return (route.unreachable ? "the unreachable route " : "the route ") +
           route.destination.to_string();
}

/// libnl takes hops that are shorter than themselves for any number of them.
void require_hops(nlmsghdr* header) {
    const nlattr* hops = nlmsg_find_attr(header, sizeof(rtmsg), RTA_MULTIPATH);
    if (hops == nullptr)
        return;
    auto* hop = static_cast<rtnexthop*>(nla_data(hops));
    for (int left = nla_len(hops); left > 0; hop = RTNH_NEXT(hop)) { // NOLINT: the kernel's macro
        if (left < static_cast<int>(sizeof *hop) || !RTNH_OK(hop, left))
            refuse("a route's hop that ends too early");
        left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
    }
}

Route read_route(const Message& reply) {
    return to_route(reply).route;
}

} // namespace

Request add_route(const Route& route, IfExists if_exists) {
    nl_msg* message = nullptr;
    const int flags = NLM_F_CREATE | (if_exists == IfExists::fail ? NLM_F_EXCL : NLM_F_REPLACE);
    built(rtnl_route_build_add_request(to_rtnl(route).get(), flags, &message));
    return {Message(message), "add " + shown(route)};
}

Request delete_route(const Route& route) {
    nl_msg* message = nullptr;
    built(rtnl_route_build_del_request(to_rtnl(route).get(), 0, &message));
    return {Message(message), "delete " + shown(route)};
}

Request get_route(const ip::Address& address) {
    rtmsg header{};
    header.rtm_family = static_cast<unsigned char>(af(address.family()));
    header.rtm_dst_len = static_cast<unsigned char>(address.bits());
    header.rtm_flags = RTM_F_FIB_MATCH;
    Message message = make_message(RTM_GETROUTE, 0, header);
    const auto bytes = address.bytes();
    built(nla_put(message.get(), RTA_DST, static_cast<int>(bytes.size()), bytes.data()));
    return {std::move(message), "find the route to " + address.to_string()};
}

RouteEntry to_route(const Message& reply) {
    if (reply)
        require_hops(nlmsg_hdr(reply.get()));
    const auto object = to_object(reply.get(), "route/route");
    auto* source = reinterpret_cast<rtnl_route*>(object.get());
    RouteEntry entry;
    const auto& header = header_of<rtmsg>(nlmsg_hdr(reply.get()));
    nl_addr* destination = rtnl_route_get_dst(source);
    // A default route has a destination of no bytes.
    if (destination != nullptr && nl_addr_get_len(destination) != 0) {
        const ip::Address address = from_addr(destination);
        if (header.rtm_dst_len > address.bits())
            refuse("a prefix of " + std::to_string(header.rtm_dst_len) + " bits");
        entry.route.destination = ip::Cidr(address, header.rtm_dst_len);
    } else if (header.rtm_family == AF_INET6)
        entry.route.destination = ip::Cidr::parse("::/0");
    entry.local = rtnl_route_get_type(source) == RTN_LOCAL;
    entry.route.unreachable = rtnl_route_get_type(source) == RTN_UNREACHABLE;
    entry.route.protocol = rtnl_route_get_protocol(source);
    entry.route.metric = rtnl_route_get_priority(source);
    if (const nl_addr* preferred = rtnl_route_get_pref_src(source))
        entry.route.source = from_addr(preferred);
    entry.route.table = rtnl_route_get_table(source);
    rtnl_route_get_metric(source, RTAX_MTU,
                          &entry.route.mtu); // leaves it alone where there is none
    rtnl_route_get_metric(source, RTAX_ADVMSS, &entry.route.advmss);
    for (int i = 0; i < rtnl_route_get_nnexthops(source); ++i) {
        rtnl_nexthop* hop = rtnl_route_nexthop_n(source, i);
        // A route that leads nowhere is bound to the loopback device by the kernel's answers.
        if (!entry.route.unreachable)
            entry.links.push_back(rtnl_route_nh_get_ifindex(hop));
        if (const nl_addr* gateway = rtnl_route_nh_get_gateway(hop); gateway && i == 0)
            entry.route.gateway = from_addr(gateway);
    }
    entry.route.link = entry.links.empty() ? 0 : entry.links.front();
    return entry;
}

bool is_host_route(Socket& socket, const ip::Address& address) {
    const Message reply = socket.find(get_route(address));
    return reply && to_route(reply).route.destination == ip::Cidr::host(address);
}

std::vector<Route> dump_own_routes(Socket& socket, ip::Family family) {
    rtmsg header{};
    header.rtm_family = static_cast<unsigned char>(af(family));
    header.rtm_protocol = own_protocol;
    header.rtm_table = RT_TABLE_MAIN;
    const Request request{make_message(RTM_GETROUTE, 0, header), "list the routes"};
    try {
        return dump_all<Route>(socket, request, read_route,
                               [](const Route& route) { return route.protocol == own_protocol; });
    } catch (const Error& error) {
        if (error.number() == ENOENT) // the table comes with the first route in it
            return {};
        throw;
    }
}

std::vector<Route> dump_routes(Socket& socket, ip::Family family) {
    rtmsg header{};
    header.rtm_family = static_cast<unsigned char>(af(family));
    const Request request{make_message(RTM_GETROUTE, 0, header), "list the routes"};
    return dump_all<Route>(socket, request, read_route,
                           [](const Route& route) { return route.link != 0; });
}

} // namespace netlink
