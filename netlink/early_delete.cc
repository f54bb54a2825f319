#include "netlink/early_delete.h"

#include "netlink/datagram.h"
#include "netlink/error.h"
#include "netlink/fd.h"
#include "netlink/message.h"
#include "netlink/socket.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <optional>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace netlink {

namespace {

/// A message, and the stack of the process that sends it.
struct Asker {
    int socket;
    msghdr message{};
    iovec part;
    alignas(nlmsghdr) std::array<char, 256> content;
    alignas(16) std::array<char, 16384> stack;
};

/// Keeps none of our files but the socket: not a lock, nor the output whose end the runtime waits
/// for. Returns the errno of sendmsg(2).
int send_and_wait(void* given) {
    const auto& asker = *static_cast<const Asker*>(given);
    const auto kept = static_cast<unsigned>(asker.socket);
    if (kept > 0)
        ::close_range(0, kept - 1, 0);
    ::close_range(kept + 1, ~0U, 0);
    while (::sendmsg(asker.socket, &asker.message, 0) < 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

/// Sends the message in a process of its own, which ends when the kernel is done. It shares our
/// memory, as copying that is a tenth of a whole DEL, and may outlive us; so what it uses stays. As
/// errno is shared too, nobody below asks for it while that process lives.
pid_t ask(const Fd& socket, const nlmsghdr* header) {
    void* memory = ::mmap(nullptr, sizeof(Asker), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) // NOLINT: the system's own macro
        return -1;
    auto* asker = new (memory) Asker;
    std::memcpy(asker->content.data(), header, header->nlmsg_len);
    asker->socket = socket.get();
    asker->part = {asker->content.data(), header->nlmsg_len};
    asker->message.msg_iov = &asker->part;
    asker->message.msg_iovlen = 1;
    return ::clone(send_and_wait, asker->stack.end(), CLONE_VM | SIGCHLD, asker);
}

/// Waits until there is something to hear, or the process has ended; or a signal came.
void wait_for(const Fd& socket, const Fd& process) {
    std::array<pollfd, 2> waits{{{socket.get(), POLLIN, 0}, {process.get(), POLLIN, 0}}};
    ::poll(waits.data(), waits.size(), -1);
}

bool is_ready(const Fd& file) {
    pollfd now{file.get(), POLLIN, 0};
    return ::poll(&now, 1, 0) == 1;
}

/// How it ended; 0 where nobody can know, as its parent is told of no child's end.
int status_of(pid_t process) {
    int status = 0;
    while (::waitpid(process, &status, 0) < 0) {
        if (errno == ECHILD)
            return 0;
        if (errno != EINTR)
            fail("wait for a process");
    }
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

Request delete_by_index(int index, const std::string& name) {
    ifinfomsg header{};
    header.ifi_index = index;
    return {make_message(RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, header),
            "delete the link " + name};
}

/// What the kernel says of the deletion: an errno, 0 for done; none where it is of something else.
std::optional<int> verdict(nlmsghdr* header, int index) {
    if (header->nlmsg_type == NLMSG_ERROR)
        return number_of(header_of<nlmsgerr>(header).error);
    if (header->nlmsg_type != RTM_DELLINK)
        return std::nullopt;
    const auto& link = header_of<ifinfomsg>(header);
    const bool gone =
        link.ifi_index == index && link.ifi_family == AF_UNSPEC; // else it has only left a bridge
    return gone ? std::optional(0) : std::nullopt;
}

/// What has been said so far; none where nothing was, or it was lost among too much else.
std::optional<int> hear(const Fd& socket, int index) {
    // A longer message is cut and so passed over: no pod's link has one. Small, as each page of it
    // is touched (-fstack-clash-protection).
    alignas(nlmsghdr) std::array<char, 8192> buffer; // NOLINT: read into before it is read from
    while (is_ready(socket)) {
        auto left = static_cast<int>(receive_from_kernel(socket.get(), buffer.data(), buffer.size(),
                                                         MSG_DONTWAIT)); // -1: of no message
        for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, left);
             header = nlmsg_next(header, &left))
            if (const auto found = verdict(header, index))
                return found;
    }
    return std::nullopt;
}

/// An errno, 0 for done.
int await_verdict(const Fd& socket, pid_t asking, int index) {
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, asking, 0)));
    for (bool is_done = !process; !is_done;) {
        wait_for(socket, process);
        is_done = is_ready(process);
        if (const auto number = hear(socket, index))
            return *number;
    }
    const int status = status_of(asking); // so all is said that will be
    if (const auto number = hear(socket, index))
        return *number;
    std::array<char, IF_NAMESIZE> name{};
    return status == 0 && ::if_indextoname(static_cast<unsigned>(index), name.data()) != nullptr
               ? EBUSY
               : status;
}

} // namespace

bool delete_link_early(const std::string& name) {
    // By its number, which no other link gets: the name may soon be another's.
    const auto index = static_cast<int>(::if_nametoindex(name.c_str()));
    if (index == 0 && errno == ENODEV)
        return false;
    if (index == 0) // it may well be there
        fail("find the link " + name);
    const Request request = delete_by_index(index, name);
    const Fd socket = listen_to_links();
    const pid_t asking = ask(socket, nlmsg_hdr(request.message.get()));
    int number = 0;
    if (asking > 0) {
        number = await_verdict(socket, asking, index);
    } else { // no more processes: then late
        std::vector<Request> requests;
        requests.push_back(delete_by_index(index, name));
        const auto answers = Socket().exchange(requests);
        number = answers.front().error ? answers.front().error->number() : 0;
    }
    if (number != 0 && number != ENODEV)
        throw Error(number, request.purpose);
    return number == 0;
}

} // namespace netlink
