#include "netlink/link.h"

#include "netlink/attributes.h"
#include "netlink/message.h"
#include "netlink/netns.h"
#include "netlink/socket.h"

#include <algorithm>
#include <cerrno>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet.h>
#include <netlink/route/link/ipip.h>
#include <netlink/route/link/veth.h>

namespace netlink {

namespace {

using LinkObject = Owned<rtnl_link, rtnl_link_put>;

LinkObject named_link(const std::string& name) {
    LinkObject link(allocated(rtnl_link_alloc()));
    rtnl_link_set_name(link.get(), name.c_str());
    return link;
}

Request add_request(const LinkObject& link, std::string purpose) {
    nl_msg* message = nullptr;
    built(rtnl_link_build_add_request(link.get(), NLM_F_CREATE | NLM_F_EXCL, &message));
    return {Message(message), std::move(purpose)};
}

Request change_request(const LinkObject& changes, std::string purpose) {
    nl_msg* message = nullptr;
    built(rtnl_link_build_change_request(changes.get(), changes.get(), 0, &message));
    return {Message(message), std::move(purpose)};
}

/// libnl would put the alias with a terminator, with which the longest does not fit.
Request with_alias(Request request, const std::string& alias) {
    built(
        nla_put(request.message.get(), IFLA_IFALIAS, static_cast<int>(alias.size()), alias.data()));
    return request;
}

void set_mac(rtnl_link* link, const ip::Mac& mac) {
    const Addr address(allocated(nl_addr_build(AF_LLC, mac.bytes.data(), mac.bytes.size())));
    rtnl_link_set_addr(link, address.get());
}

LinkObject tunnel_object(const TunnelDevice& tunnel) {
    LinkObject link(allocated(rtnl_link_ipip_alloc()));
    rtnl_link_set_name(link.get(), tunnel.name.c_str());
    rtnl_link_set_mtu(link.get(), tunnel.mtu);
    const auto raw = [](const ip::Address& address) {
        std::uint32_t value = 0;
        std::ranges::copy(address.bytes(), reinterpret_cast<std::uint8_t*>(&value));
        return value;
    };
    rtnl_link_ipip_set_local(link.get(), raw(tunnel.local));
    if (tunnel.remote)
        rtnl_link_ipip_set_remote(link.get(), raw(*tunnel.remote));
    rtnl_link_ipip_set_ttl(link.get(), tunnel.ttl);
    rtnl_link_ipip_set_pmtudisc(link.get(), 1);
    return link;
}

Message by_name(int type, const std::string& name) {
    Message message = make_message(type, 0, ifinfomsg{});
    built(nla_put_string(message.get(), IFLA_IFNAME, name.c_str()));
    return message;
}

// Counters make up most of the kernel's answer, and hardly anybody reads them.
Message without_counters(Message message) {
    built(nla_put_u32(message.get(), IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS));
    return message;
}

Request of_kind(const std::string& kind, Message message) {
    Request request{std::move(message), "list the links of kind " + kind};
    nlattr* info = allocated(nla_nest_start(request.message.get(), IFLA_LINKINFO));
    built(nla_put_string(request.message.get(), IFLA_INFO_KIND, kind.c_str()));
    nla_nest_end(request.message.get(), info);
    return request;
}

/// A setting of net.ipv4.conf.NAME: the kernel tells all of them as an array that begins with
/// number 1.
std::uint32_t ipv4_setting(std::span<const std::uint8_t> settings, int number) {
    std::uint32_t value = 0;
    const std::size_t place = static_cast<std::size_t>(number - 1) * sizeof value;
    if (settings.size() >= place + sizeof value)
        std::memcpy(&value, settings.data() + place, sizeof value);
    return value;
}

using Info = Attributes<IFLA_INFO_KIND, IFLA_INFO_DATA>;
using TunnelInfo =
    Attributes<IFLA_IPTUN_LOCAL, IFLA_IPTUN_REMOTE, IFLA_IPTUN_TTL, IFLA_IPTUN_PMTUDISC>;

Link read_link(nlmsghdr* reply) {
    expect(reply, RTM_NEWLINK);
    const auto& header = header_of<ifinfomsg>(reply);
    const auto attributes =
        Attributes<IFLA_IFNAME, IFLA_IFALIAS, IFLA_ADDRESS, IFLA_MTU, IFLA_GROUP, IFLA_LINK,
                   IFLA_LINKINFO, IFLA_AF_SPEC>::behind<ifinfomsg>(reply);
    const auto info = Info::in(attributes.bytes<IFLA_LINKINFO>());
    const auto families = Attributes<AF_INET>::in(attributes.bytes<IFLA_AF_SPEC>());
    const auto ipv4 = Attributes<IFLA_INET_CONF>::in(families.bytes<AF_INET>());
    const auto settings = ipv4.bytes<IFLA_INET_CONF>();
    Link link{
        .index = header.ifi_index,
        .name = attributes.text<IFLA_IFNAME>(),
        .kind = info.text<IFLA_INFO_KIND>(),
        .alias = attributes.text<IFLA_IFALIAS>(),
        .mac = {},
        .mtu = attributes.u32<IFLA_MTU>(),
        .up = (header.ifi_flags & IFF_UP) != 0,
        .group = attributes.u32<IFLA_GROUP>(),
        .peer_index = static_cast<int>(attributes.u32<IFLA_LINK>()),
        .forwarding = ipv4_setting(settings, IPV4_DEVCONF_FORWARDING) != 0,
        .rp_filter = static_cast<int>(ipv4_setting(settings, IPV4_DEVCONF_RP_FILTER)),
        .local = {},
        .remote = {},
    };
    if (const auto mac = attributes.bytes<IFLA_ADDRESS>(); mac.size() == link.mac.bytes.size())
        std::ranges::copy(mac, link.mac.bytes.begin());
    if (link.kind == "ipip") {
        const auto tunnel = TunnelInfo::in(info.bytes<IFLA_INFO_DATA>());
        link.local = tunnel.address<IFLA_IPTUN_LOCAL>().value_or(ip::Address());
        if (tunnel.u32<IFLA_IPTUN_REMOTE>() != 0)
            link.remote = tunnel.address<IFLA_IPTUN_REMOTE>();
        link.ttl = tunnel.u8<IFLA_IPTUN_TTL>();
        link.path_mtu_discovery = tunnel.u8<IFLA_IPTUN_PMTUDISC>() != 0;
    }
    return link;
}

Traffic to_traffic(nlmsghdr* reply) {
    expect(reply, RTM_NEWLINK);
    const auto& header = header_of<ifinfomsg>(reply);
    const auto link =
        Attributes<IFLA_IFALIAS, IFLA_STATS64, IFLA_LINKINFO>::behind<ifinfomsg>(reply);
    const auto info = Info::in(link.bytes<IFLA_LINKINFO>());
    const auto tunnel = TunnelInfo::in(info.bytes<IFLA_INFO_DATA>());
    rtnl_link_stats64 counters{}; // grows from kernel to kernel
    const auto raw = link.bytes<IFLA_STATS64>();
    std::ranges::copy(raw.first(std::min(raw.size(), sizeof counters)),
                      reinterpret_cast<std::uint8_t*>(&counters));
    const std::string kind = info.text<IFLA_INFO_KIND>();
    return {.index = header.ifi_index,
            .kind = kind,
            .alias = link.text<IFLA_IFALIAS>(),
            .up = (header.ifi_flags & IFF_UP) != 0,
            .to_all = kind == "ipip" && tunnel.u32<IFLA_IPTUN_REMOTE>() == 0,
            .received_packets = counters.rx_packets,
            .received_bytes = counters.rx_bytes,
            .sent_packets = counters.tx_packets,
            .sent_bytes = counters.tx_bytes,
            .errors = counters.rx_errors + counters.tx_errors,
            .drops = counters.rx_dropped + counters.tx_dropped};
}

} // namespace

Request make_veth(const VethPair& pair, const Netns& pod) {
    const LinkObject host(allocated(rtnl_link_veth_alloc()));
    rtnl_link_set_name(host.get(), pair.host_name.c_str());
    set_mac(host.get(), pair.host_mac);
    rtnl_link_set_group(host.get(), pair.host_group);
    const LinkObject peer(allocated(rtnl_link_veth_get_peer(host.get())));
    rtnl_link_set_name(peer.get(), pair.pod_name.c_str());
    rtnl_link_set_ns_fd(peer.get(), pod.fd());
    set_mac(peer.get(), pair.pod_mac);
    for (rtnl_link* end : {host.get(), peer.get()}) {
        rtnl_link_set_mtu(end, pair.mtu);
        // The kernel's default is a queue for each processor, paid for at creation and deletion.
        rtnl_link_set_num_tx_queues(end, 1);
        rtnl_link_set_num_rx_queues(end, 1);
    }
    return add_request(host, "make the link " + pair.host_name + " to the pod's " + pair.pod_name);
}

Request make_tunnel(const TunnelDevice& tunnel) {
    return add_request(tunnel_object(tunnel), "make the tunnel " + tunnel.name);
}

bool has_tunnels(Socket& socket) {
    // A tunnel of an impossible protocol: the kernel looks for the kind first, and then refuses.
    Request request{make_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{}),
                    "ask for tunnels"};
    nlattr* info = allocated(nla_nest_start(request.message.get(), IFLA_LINKINFO));
    built(nla_put_string(request.message.get(), IFLA_INFO_KIND, "ipip"));
    nlattr* data = allocated(nla_nest_start(request.message.get(), IFLA_INFO_DATA));
    built(nla_put_u8(request.message.get(), IFLA_IPTUN_PROTO, IPPROTO_UDP));
    nla_nest_end(request.message.get(), data);
    nla_nest_end(request.message.get(), info);
    const Socket::Answer answer = socket.exchange(std::move(request));
    if (answer.error && answer.error->number() != EINVAL && answer.error->number() != EOPNOTSUPP)
        throw *answer.error;
    return answer.error && answer.error->number() == EINVAL;
}

Request change_tunnel(const TunnelDevice& tunnel) {
    const LinkObject changes = tunnel_object(tunnel);
    rtnl_link_set_flags(changes.get(), IFF_UP);
    return with_alias(change_request(changes, "change the tunnel " + tunnel.name), tunnel.alias);
}

Request configure(const std::string& name, const LinkSettings& settings) {
    const LinkObject changes = named_link(name);
    if (settings.forwarding)
        built(rtnl_link_inet_set_conf(changes.get(), IPV4_DEVCONF_FORWARDING,
                                      *settings.forwarding ? 1 : 0));
    if (settings.rp_filter)
        built(rtnl_link_inet_set_conf(changes.get(), IPV4_DEVCONF_RP_FILTER,
                                      static_cast<std::uint32_t>(*settings.rp_filter)));
    if (settings.group)
        rtnl_link_set_group(changes.get(), *settings.group);
    if (settings.keep_secondaries)
        built(rtnl_link_inet_set_conf(changes.get(), IPV4_DEVCONF_PROMOTE_SECONDARIES, 1));
    if (settings.up)
        rtnl_link_set_flags(changes.get(), IFF_UP);
    Request request = change_request(changes, "set up " + name);
    return settings.alias ? with_alias(std::move(request), *settings.alias) : std::move(request);
}

Request without_ipv6_address(const std::string& name) {
    Message message = by_name(RTM_SETLINK, name);
    nlattr* families = allocated(nla_nest_start(message.get(), IFLA_AF_SPEC));
    nlattr* inet6 = allocated(nla_nest_start(message.get(), AF_INET6));
    built(nla_put_u8(message.get(), IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE));
    nla_nest_end(message.get(), inet6);
    nla_nest_end(message.get(), families);
    return {std::move(message), "turn off IPv6 address generation on " + name, true};
}

Request rename_link(int index, const std::string& name) {
    ifinfomsg header{};
    header.ifi_index = index;
    Message message = make_message(RTM_SETLINK, 0, header);
    built(nla_put_string(message.get(), IFLA_IFNAME, name.c_str()));
    return {std::move(message), "name the link number " + std::to_string(index) + ' ' + name};
}

Request take_down(int index) {
    ifinfomsg header{};
    header.ifi_index = index;
    header.ifi_change = IFF_UP;
    return {make_message(RTM_SETLINK, 0, header),
            "take down the link number " + std::to_string(index)};
}

Request get_link(const std::string& name) {
    return {without_counters(by_name(RTM_GETLINK, name)), "find the link " + name};
}

Request get_link(int index) {
    ifinfomsg header{};
    header.ifi_index = index;
    return {without_counters(make_message(RTM_GETLINK, 0, header)),
            "find the link number " + std::to_string(index)};
}

Request delete_link(const std::string& name) {
    return {by_name(RTM_DELLINK, name), "delete the link " + name};
}

Link to_link(const Message& reply) {
    return read_link(header_in(reply));
}

std::vector<Link> dump_links(Socket& socket, const std::string& kind) {
    return dump_all<Link>(
        socket, of_kind(kind, without_counters(make_message(RTM_GETLINK, 0, ifinfomsg{}))),
        read_link, [&](const Link& link) { return link.kind == kind; });
}

std::vector<Traffic> dump_traffic(Socket& socket, const std::string& kind) {
    return dump_all<Traffic>(socket, of_kind(kind, make_message(RTM_GETLINK, 0, ifinfomsg{})),
                             to_traffic,
                             [&](const Traffic& traffic) { return traffic.kind == kind; });
}

} // namespace netlink
