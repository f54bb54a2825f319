#include "netlink/message.h"

namespace netlink {

void MessageDeleter::operator()(nl_msg* message) const {
    nlmsg_free(message);
}

static Addr make_addr(const ip::Address& address, unsigned length) {
    const int family = address.family() == ip::Family::v4 ? AF_INET : AF_INET6;
    const auto bytes = address.bytes();
    Addr result(allocated(nl_addr_build(family, bytes.data(), bytes.size())));
    nl_addr_set_prefixlen(result.get(), static_cast<int>(length));
    return result;
}

Addr to_addr(const ip::Address& address) {
    return make_addr(address, address.bits());
}
Addr to_addr(const ip::Cidr& cidr) {
    return make_addr(cidr.network(), cidr.length());
}

ip::Address from_addr(const nl_addr* address) {
    const auto* bytes = static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(address));
    return ip::Address::from_bytes({bytes, nl_addr_get_len(address)});
}

Owned<nl_object, nl_object_put> to_object(nl_msg* message) {
    nlmsg_set_proto(message, NETLINK_ROUTE);
    Owned<nl_object, nl_object_put> result;
    nl_msg_parse(
        message,
        [](nl_object* object, void* slot) {
            nl_object_get(object);
            static_cast<Owned<nl_object, nl_object_put>*>(slot)->reset(object);
        },
        &result);
    return result;
}

} // namespace netlink
