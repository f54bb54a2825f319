#include "netlink/early_delete.h"

#include "netlink/error.h"
#include "netlink/fd.h"
#include "netlink/link.h"
#include "netlink/message.h"

#include <array>
#include <cerrno>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <optional>
#include <poll.h>
#include <string_view>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace netlink {

namespace {

/// Sends the message in a process of its own, which keeps none of our files but the socket: not a
/// lock, nor the output whose end the runtime waits for. It ends when the kernel is done, with the
/// errno of its sendmsg(2) as its status.
pid_t ask(const Fd& socket, nlmsghdr* header) {
    iovec part{header, header->nlmsg_len};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const pid_t process = ::fork();
    if (process != 0)
        return process;
    const auto kept = static_cast<unsigned>(socket.get());
    if (kept > 0)
        ::close_range(0, kept - 1, 0);
    ::close_range(kept + 1, ~0U, 0);
    ::_exit(::sendmsg(socket.get(), &message, 0) < 0 ? errno : 0);
}

/// Waits until there is something to hear, or the process has ended.
void wait_for(const Fd& socket, const Fd& process) {
    std::array<pollfd, 2> waits{{{socket.get(), POLLIN, 0}, {process.get(), POLLIN, 0}}};
    while (::poll(waits.data(), waits.size(), -1) < 0)
        if (errno != EINTR)
            fail("wait for the kernel");
}

/// How it ended.
int status_of(pid_t process) {
    int status = 0;
    while (::waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            fail("wait for a process");
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

Fd listen_to_links() {
    Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        fail("open a netlink socket");
    return fd;
}

/// What the kernel says of the deletion: an errno, 0 for done; none where it is of something else.
std::optional<int> verdict(nlmsghdr* header, std::string_view name) {
    if (header->nlmsg_type == NLMSG_ERROR)
        return -static_cast<const nlmsgerr*>(nlmsg_data(header))->error;
    if (header->nlmsg_type != RTM_DELLINK ||
        static_cast<const ifinfomsg*>(nlmsg_data(header))->ifi_family !=
            AF_UNSPEC) // a bridge's port
        return std::nullopt;
    nlattr* gone = nlmsg_find_attr(header, sizeof(ifinfomsg), IFLA_IFNAME);
    return gone != nullptr && nla_get_string(gone) == name ? std::optional(0) : std::nullopt;
}

/// What has been said so far; none where nothing was, or more than could be heard.
std::optional<int> hear(const Fd& socket, const std::string& name, const std::string& purpose) {
    alignas(nlmsghdr) std::array<char, 32768> buffer; // NOLINT: read into before it is read from
    for (;;) {
        const ssize_t size = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return std::nullopt;
        if (size < 0)
            fail(purpose);
        int left = static_cast<int>(size);
        for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, left);
             header = nlmsg_next(header, &left))
            if (const auto found = verdict(header, name))
                return found;
    }
}

/// An errno, 0 for done.
int await_verdict(const Fd& socket, pid_t asking, const std::string& name,
                  const std::string& purpose) {
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, asking, 0)));
    if (!process)
        fail("watch a process");
    for (;;) {
        wait_for(socket, process);
        pollfd ended{process.get(), POLLIN, 0};
        const bool is_done = ::poll(&ended, 1, 0) == 1; // so all is said that will be
        if (const auto number = hear(socket, name, purpose))
            return *number;
        if (is_done) {
            const int status = status_of(asking);
            return status == 0 && ::if_nametoindex(name.c_str()) != 0 ? EBUSY : status;
        }
    }
}

} // namespace

bool delete_link_early(const std::string& name) {
    const Request request = delete_link(name);
    nlmsghdr* message = nlmsg_hdr(request.message.get());
    message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    const Fd socket = listen_to_links();
    const pid_t process = ask(socket, message);
    if (process < 0)
        fail(request.purpose);
    const int number = await_verdict(socket, process, name, request.purpose);
    if (number != 0 && number != ENODEV)
        throw Error(number, request.purpose);
    return number == 0;
}

} // namespace netlink
