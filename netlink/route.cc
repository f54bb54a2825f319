#include "netlink/route.h"

#include "netlink/attributes.h"
#include "netlink/message.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <linux/rtnetlink.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <stdexcept>

namespace netlink {

namespace {

using RouteAttributes = Attributes<RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC,
                                   RTA_METRICS, RTA_MULTIPATH, RTA_TABLE>;
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
        rtnl_route_set_scope(object.get(), route.scope);
    } else {
        rtnl_route_set_scope(object.get(), RT_SCOPE_LINK);
    }
    return object;
}

std::string shown(const Route& route) {
    return (route.unreachable ? "the unreachable route " : "the route ") +
           route.destination.to_string();
}

/// A default route has none in its message.
ip::Cidr destination_of(const rtmsg& header, const RouteAttributes& attributes) {
    if (const auto address = attributes.address<RTA_DST>())
        return {*address, std::min<unsigned>(header.rtm_dst_len, address->bits())};
    return header.rtm_family == AF_INET6 ? ip::Cidr::parse("::/0") : ip::Cidr();
}

/// Adds those of a route that has several, each with a header and attributes of its own.
void note_ways(RouteEntry& entry, std::span<const std::uint8_t> hops) {
    while (hops.size() >= sizeof(rtnexthop)) {
        rtnexthop hop{};
        std::memcpy(&hop, hops.data(), sizeof hop);
        if (hop.rtnh_len < sizeof hop || hop.rtnh_len > hops.size())
            return;
        if (entry.route.link == 0) {
            entry.route.link = hop.rtnh_ifindex;
            entry.route.gateway =
                Attributes<RTA_GATEWAY>::in(hops.subspan(sizeof hop, hop.rtnh_len - sizeof hop))
                    .address<RTA_GATEWAY>();
        } else {
            entry.further_links.push_back(hop.rtnh_ifindex);
        }
        hops = hops.subspan(std::min<std::size_t>(NLMSG_ALIGN(hop.rtnh_len), hops.size()));
    }
}

RouteEntry read_entry(nlmsghdr* reply) {
    expect(reply, RTM_NEWROUTE);
    const auto& header = header_of<rtmsg>(reply);
    const auto attributes = RouteAttributes::behind<rtmsg>(reply);
    const auto metrics = Attributes<RTAX_MTU, RTAX_ADVMSS>::in(attributes.bytes<RTA_METRICS>());
    RouteEntry entry{.route = {.destination = destination_of(header, attributes),
                               .source = attributes.address<RTA_PREFSRC>(),
                               .metric = attributes.u32<RTA_PRIORITY>(),
                               .protocol = header.rtm_protocol,
                               .unreachable = header.rtm_type == RTN_UNREACHABLE,
                               .table = attributes.u32<RTA_TABLE>(),
                               .mtu = metrics.u32<RTAX_MTU>(),
                               .advmss = metrics.u32<RTAX_ADVMSS>()},
                     .local = header.rtm_type == RTN_LOCAL,
                     .further_links = {}};
    // A route that leads nowhere is bound to the loopback device by the kernel's answers.
    if (entry.route.unreachable)
        return entry;
    entry.route.link = static_cast<int>(attributes.u32<RTA_OIF>());
    entry.route.gateway = attributes.address<RTA_GATEWAY>();
    note_ways(entry, attributes.bytes<RTA_MULTIPATH>());
    if (entry.route.gateway) // that of a route to a link is RT_SCOPE_LINK
        entry.route.scope = header.rtm_scope;
    return entry;
}

Route read_route(nlmsghdr* reply) {
    return read_entry(reply).route;
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

Request without_multicast_route(int link) {
    rtmsg header{};
    header.rtm_family = AF_INET6;
    header.rtm_dst_len = 8;
    header.rtm_table = RT_TABLE_LOCAL;
    Message message = make_message(RTM_DELROUTE, 0, header, question_room);
    constexpr std::array<std::uint8_t, 16> multicast{0xff}; // RFC 4291 section 2.7
    built(nla_put(message.get(), RTA_DST, multicast.size(), multicast.data()));
    built(nla_put_u32(message.get(), RTA_OIF, static_cast<std::uint32_t>(link)));
    return {std::move(message),
            "take the multicast route from the link number " + std::to_string(link), true};
}

Request get_route(const ip::Address& address) {
    rtmsg header{};
    header.rtm_family = static_cast<unsigned char>(af(address.family()));
    header.rtm_dst_len = static_cast<unsigned char>(address.bits());
    header.rtm_flags = RTM_F_FIB_MATCH;
    Message message = make_message(RTM_GETROUTE, 0, header, question_room);
    const auto bytes = address.bytes();
    built(nla_put(message.get(), RTA_DST, static_cast<int>(bytes.size()), bytes.data()));
    return {std::move(message), "find the route to " + address.to_string()};
}

RouteEntry to_route(const Message& reply) {
    return read_entry(header_in(reply));
}

void find_routes(Socket& socket, std::span<const ip::Address> addresses,
                 const std::function<void(std::size_t number, const RouteEntry& entry)>& take) {
    if (addresses.empty())
        return;
    Request question = get_route(addresses.front());
    question.purpose = "find the routes to " + std::to_string(addresses.size()) + " addresses";
    socket.ask(
        question, addresses.size(),
        [&](std::size_t number, nlmsghdr* message) {
            const auto bytes = addresses[number].bytes();
            nlattr* destination = nlmsg_find_attr(message, sizeof(rtmsg), RTA_DST);
            if (static_cast<std::size_t>(nla_len(destination)) != bytes.size())
                throw std::invalid_argument("addresses of two families in one question");
            std::memcpy(nla_data(destination), bytes.data(), bytes.size());
        },
        [&](std::size_t number, nlmsghdr* reply) { take(number, read_entry(reply)); });
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
        return dump_all<Route>(socket, request, read_route, [family](const Route& route) {
            return route.protocol == own_protocol && route.destination.family() == family;
        });
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
    return dump_all<Route>(socket, request, read_route, [family](const Route& route) {
        return route.link != 0 && route.destination.family() == family;
    });
}

} // namespace netlink
