#include "netlink/address.h"

#include "netlink/attributes.h"
#include "netlink/message.h"

#include <algorithm>
#include <linux/rtnetlink.h>
#include <netlink/route/addr.h>

namespace netlink {

namespace {

using AddressObject = Owned<rtnl_addr, rtnl_addr_put>;

AddressObject to_rtnl(const InterfaceAddress& address) {
    AddressObject object(allocated(rtnl_addr_alloc()));
    rtnl_addr_set_ifindex(object.get(), address.link);
    built(rtnl_addr_set_local(object.get(), to_addr(address.local).get()));
    if (address.peer)
        built(rtnl_addr_set_peer(object.get(), to_addr(*address.peer).get()));
    rtnl_addr_set_prefixlen(object.get(), static_cast<int>(address.prefix));
    rtnl_addr_set_scope(object.get(), address.link_scope ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
    if (!address.label.empty())
        built(rtnl_addr_set_label(object.get(), address.label.c_str()));
    return object;
}

InterfaceAddress to_address(nlmsghdr* reply) {
    expect(reply, RTM_NEWADDR);
    const auto& header = header_of<ifaddrmsg>(reply);
    const auto attributes = Attributes<IFA_ADDRESS, IFA_LOCAL, IFA_LABEL>::behind<ifaddrmsg>(reply);
    // For IPv6 the local address is in IFA_ADDRESS unless there is a peer, which is there then.
    const auto address = attributes.address<IFA_ADDRESS>();
    const auto local = attributes.address<IFA_LOCAL>();
    return {.link = static_cast<int>(header.ifa_index),
            .local = local ? *local : address.value_or(ip::Address()),
            .peer = local && address != local ? address : std::nullopt,
            .prefix = header.ifa_prefixlen,
            .label = attributes.text<IFA_LABEL>(),
            .link_scope = header.ifa_scope == RT_SCOPE_LINK};
}

} // namespace

Request add_address(const InterfaceAddress& address) {
    nl_msg* message = nullptr;
    built(rtnl_addr_build_add_request(to_rtnl(address).get(), NLM_F_CREATE | NLM_F_EXCL, &message));
    return {Message(message), "add the address " + address.local.to_string()};
}

Request delete_address(const InterfaceAddress& address) {
    nl_msg* message = nullptr;
    built(rtnl_addr_build_delete_request(to_rtnl(address).get(), 0, &message));
    return {Message(message), "delete the address " + address.local.to_string()};
}

std::vector<InterfaceAddress> dump_addresses(Socket& socket, ip::Family family) {
    ifaddrmsg header{};
    header.ifa_family = family == ip::Family::v4 ? AF_INET : AF_INET6;
    const Request request{make_message(RTM_GETADDR, 0, header), "list the addresses"};
    return dump_all<InterfaceAddress>(socket, request, to_address,
                                      [](const InterfaceAddress&) { return true; });
}

} // namespace netlink
