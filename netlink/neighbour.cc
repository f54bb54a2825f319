#include "netlink/neighbour.h"

#include "netlink/message.h"

#include <algorithm>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/route/neighbour.h>

namespace netlink {

Request add_neighbour(int link, const ip::Address& address, const ip::Mac& mac) {
    const Owned<rtnl_neigh, rtnl_neigh_put> object(allocated(rtnl_neigh_alloc()));
    rtnl_neigh_set_ifindex(object.get(), link);
    built(rtnl_neigh_set_dst(object.get(), to_addr(address).get()));
    const Addr hardware(allocated(nl_addr_build(AF_LLC, mac.bytes.data(), mac.bytes.size())));
    rtnl_neigh_set_lladdr(object.get(), hardware.get());
    rtnl_neigh_set_state(object.get(), NUD_PERMANENT);
    nl_msg* message = nullptr;
    built(rtnl_neigh_build_add_request(object.get(), NLM_F_CREATE | NLM_F_REPLACE, &message));
    return {Message(message), "add the neighbour " + address.to_string()};
}

Request get_neighbour(int link, const ip::Address& address) {
    ndmsg header{};
    header.ndm_family = address.family() == ip::Family::v4 ? AF_INET : AF_INET6;
    header.ndm_ifindex = link;
    Message message = make_message(RTM_GETNEIGH, 0, header);
    const auto bytes = address.bytes();
    built(nla_put(message.get(), NDA_DST, static_cast<int>(bytes.size()), bytes.data()));
    return {std::move(message), "find the neighbour " + address.to_string()};
}

Neighbour to_neighbour(const Message& reply) {
    const auto object = to_object(reply.get(), "route/neigh");
    auto* source = reinterpret_cast<rtnl_neigh*>(object.get());
    Neighbour neighbour{.mac = {},
                        .permanent = (rtnl_neigh_get_state(source) & NUD_PERMANENT) != 0};
    if (nl_addr* mac = rtnl_neigh_get_lladdr(source);
        mac != nullptr && nl_addr_get_len(mac) == ip::Mac().bytes.size())
        std::copy_n(static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(mac)),
                    ip::Mac().bytes.size(), neighbour.mac.emplace().bytes.begin());
    return neighbour;
}

} // namespace netlink
