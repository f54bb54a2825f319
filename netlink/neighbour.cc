#include "netlink/neighbour.h"

#include "netlink/message.h"

#include <linux/neighbour.h>
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

} // namespace netlink
