#pragma once

#include "ip/cidr.h"
#include "netlink/socket.h"

#include <linux/netlink.h>
#include <memory>
#include <netlink/addr.h>
#include <netlink/msg.h>
#include <netlink/object.h>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What the files of this room share to build and read messages with libnl. Not for other rooms.

namespace netlink {

/// Owns a libnl object of any type: `Owned<rtnl_link, rtnl_link_put>`.
template <auto release>
struct Release {
    template <typename T>
    void operator()(T* object) const {
        release(object);
    }
};
template <typename T, auto release>
using Owned = std::unique_ptr<T, Release<release>>;

/// libnl answers null only when memory is out.
template <typename Pointer>
Pointer* allocated(Pointer* pointer) {
    if (pointer == nullptr)
        throw std::bad_alloc();
    return pointer;
}

/// libnl's own failures are those of building a message: no memory, no room.
inline void built(int result) {
    if (result < 0)
        throw std::bad_alloc();
}

using Addr = Owned<nl_addr, nl_addr_put>;

Addr to_addr(const ip::Address& address);
Addr to_addr(const ip::Cidr& cidr);
/// Throws Error where that is none of IP.
ip::Address from_addr(const nl_addr* address);

/// Room for the longest message that describes one object. libnl's own choice, a page, is memory to
/// clear for each, and tens of megabytes for a mesh of thousands.
inline constexpr std::size_t message_room = 1024;

/// For one that only asks, with a number, an address or a name: of a mesh there are thousands.
inline constexpr std::size_t question_room = 128;

/// An empty message of `type` with a family header.
template <typename Header>
Message make_message(int type, int flags, const Header& header, std::size_t room = message_room) {
    Message message(allocated(nlmsg_alloc_size(room)));
    allocated(nlmsg_put(message.get(), NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags));
    built(nlmsg_append(message.get(), const_cast<Header*>(&header), sizeof header, NLMSG_ALIGNTO));
    return message;
}

/// The message is none that the kernel would send. Throws Error.
[[noreturn]] void refuse(const std::string& why);

/// An errno, 0 for none, of how the kernel has it in its answers: negative. Throws Error for what
/// it never has.
int number_of(int result);

/// Null where there is no message.
inline nlmsghdr* header_in(const Message& reply) {
    return reply ? nlmsg_hdr(reply.get()) : nullptr;
}

/// Throws Error where the kernel answered with no message, or with one of another type.
void expect(const nlmsghdr* reply, int type);

/// The libnl object in a message of NETLINK_ROUTE, which must be of libnl's `type`, such as
/// "route/link": it is cast to what the name says. Throws Error.
Owned<nl_object, nl_object_put> to_object(nl_msg* message, std::string_view type);

/// What a message begins with. Throws Error where it is too short for that.
template <typename Header>
const Header& header_of(nlmsghdr* message) {
    if (message->nlmsg_len < NLMSG_LENGTH(sizeof(Header)))
        refuse("a message that ends too early");
    return *reinterpret_cast<const Header*>(reinterpret_cast<char*>(message) + NLMSG_HDRLEN);
}

/// The text of an attribute, whether or not it has an end; empty where there is no attribute.
std::string_view text_in(const nlattr* attribute);

/// The number in an attribute; none where there is no attribute, or not enough of it.
std::optional<std::uint32_t> number_in(const nlattr* attribute);

/// What `read` makes of each message of a dump and `keep` accepts.
template <typename T, typename Keep>
std::vector<T> dump_all(Socket& socket, const Request& request, T (*read)(nlmsghdr*), Keep keep) {
    std::vector<T> found;
    socket.dump(
        request,
        [&](nlmsghdr* message) {
            found.push_back(read(message));
            if (!keep(found.back()))
                found.pop_back();
        },
        [&] { found.clear(); });
    return found;
}

} // namespace netlink
