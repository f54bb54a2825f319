#include "netlink/message.h"

#include <cerrno>
#include <cstring>
#include <netlink/attr.h>
#include <netlink/errno.h>

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
    const std::size_t size = address == nullptr ? 0 : nl_addr_get_len(address);
    if (size != 4 && size != 16)
        refuse("an address of " + std::to_string(size) + " bytes");
    const auto* bytes = static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(address));
    return ip::Address::from_bytes({bytes, size});
}

void refuse(const std::string& why) {
    throw Error(EPROTO, "understand the kernel", why);
}

int number_of(int result) {
    constexpr int most = 4095; // MAX_ERRNO, include/linux/err.h
    if (result > 0 || result < -most)
        refuse("the error " + std::to_string(result));
    return -result;
}

void expect(const nlmsghdr* reply, int type) {
    if (reply == nullptr || reply->nlmsg_type != type)
        refuse("another message than one of type " + std::to_string(type));
}

Owned<nl_object, nl_object_put> to_object(nl_msg* message, std::string_view type) {
    if (message == nullptr)
        refuse("no " + std::string(type) + " where one was asked for");
    nlmsg_set_proto(message, NETLINK_ROUTE);
    Owned<nl_object, nl_object_put> result;
    const int parsed = nl_msg_parse(
        message,
        [](nl_object* object, void* slot) {
            nl_object_get(object);
            static_cast<Owned<nl_object, nl_object_put>*>(slot)->reset(object);
        },
        &result);
    if (parsed == -NLE_NOMEM)
        throw std::bad_alloc();
    if (!result || nl_object_get_type(result.get()) != type)
        refuse("a message that is no " + std::string(type));
    return result;
}

std::string_view text_in(const nlattr* attribute) {
    if (attribute == nullptr)
        return {};
    const auto* text = static_cast<const char*>(nla_data(attribute));
    return {text, ::strnlen(text, static_cast<std::size_t>(nla_len(attribute)))};
}

std::optional<std::uint32_t> number_in(const nlattr* attribute) {
    if (attribute == nullptr || nla_len(attribute) < static_cast<int>(sizeof(std::uint32_t)))
        return std::nullopt;
    return nla_get_u32(attribute);
}

} // namespace netlink
