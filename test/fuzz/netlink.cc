#include "netlink/address.h"
#include "netlink/early_delete.h"
#include "netlink/link.h"
#include "netlink/link_group.h"
#include "netlink/message.h"
#include "netlink/monitor.h"
#include "netlink/neighbour.h"
#include "netlink/nftables.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "test/fuzz/expect.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <linux/netlink.h>
#include <optional>
#include <poll.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

// What a netlink socket receives: whatever it is, it becomes what was asked for or netlink::Error,
// and what another sender than the kernel says changes nothing. The first byte says what is asked
// for; then come the datagrams, each behind two bytes with its length, whose uppermost bit says
// that it is from another process.

namespace {

std::string_view input;     ///< the datagrams
bool with_strangers = true; ///< whether theirs are received at all

struct Datagram {
    std::string_view content;
    bool is_strangers = false;
};

std::optional<Datagram> next_datagram() {
    if (input.size() < 2) {
        input = {};
        return std::nullopt;
    }
    const auto low = static_cast<unsigned char>(input[0]);
    const auto high = static_cast<unsigned char>(input[1]);
    const std::size_t length = low | (high & 0x7fU) << 8;
    const Datagram datagram{input.substr(2, length), (high & 0x80U) != 0};
    input.remove_prefix(std::min(input.size(), 2 + length));
    return datagram;
}

/// A process that shares our memory, and what is its own of it.
struct Helper {
    pid_t process = 0;
    void* memory = nullptr;
    std::size_t size = 0;
};
Helper helper;

void end_helper() {
    if (helper.process == 0)
        return;
    ::waitpid(helper.process, nullptr, 0); // unless that was done already
    ::munmap(helper.memory, helper.size);
    helper = {};
}

} // namespace

// The linker leads the project's calls of sendmsg(2), recvfrom(2), poll(2) and clone(2) here
// (-Wl,--wrap).
extern "C" {

int __real_poll(pollfd* files, nfds_t count, int timeout);
int __real_clone(int (*act)(void*), void* stack, int flags, void* given, ...);

/// The process of an early deletion does as it always does, but is not left behind.
int __wrap_clone(int (*act)(void*), void* stack, int flags, void* given, ...) {
    const int process = __real_clone(act, stack, flags, given);
    expect(process > 0, "there is room for one more process");
    helper = {process, given,
              static_cast<std::size_t>(static_cast<char*>(stack) - static_cast<char*>(given))};
    return process;
}

/// A netlink socket is ready while there is input; the kernel itself is never heard.
int __wrap_poll(pollfd* files, nfds_t count, int timeout) {
    int family = 0;
    socklen_t length = sizeof family;
    const bool is_socket = ::getsockopt(files->fd, SOL_SOCKET, SO_DOMAIN, &family, &length) == 0;
    if (!is_socket || family != AF_NETLINK)
        return __real_poll(files, count, timeout);
    files->revents = input.empty() ? 0 : POLLIN;
    if (!input.empty())
        return 1;
    return count > 1 ? __real_poll(files + 1, count - 1, timeout) : 0;
}

ssize_t __wrap_sendmsg(int, const msghdr* message, int) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < message->msg_iovlen; ++i)
        size += message->msg_iov[i].iov_len;
    return static_cast<ssize_t>(size);
}

ssize_t __wrap_recvfrom(int fd, void* buffer, std::size_t size, int flags, sockaddr* from,
                        socklen_t* length) {
    auto datagram = next_datagram();
    while (datagram && datagram->is_strangers && !with_strangers)
        datagram = next_datagram();
    if (!datagram) {
        const bool waits = (flags & MSG_DONTWAIT) == 0 && (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
        errno = waits ? ENOBUFS : EAGAIN;
        return -1;
    }
    std::memcpy(buffer, datagram->content.data(), std::min(size, datagram->content.size()));
    sockaddr_nl sender{};
    sender.nl_family = AF_NETLINK;
    sender.nl_pid = datagram->is_strangers ? 94 : 0;
    expect(from != nullptr && *length >= sizeof sender, "the sender is asked for");
    std::memcpy(from, &sender, sizeof sender);
    *length = sizeof sender;
    return static_cast<ssize_t>(datagram->content.size());
}

} // extern "C"

namespace {

using namespace netlink;

const ip::Address somewhere = ip::Address::parse("192.0.2.1");

std::string shown(const Link& link) {
    expect(link.name.size() < 4096 && link.name.find('\0') == std::string::npos, "a name is text");
    expect(!link.remote || link.kind == "ipip", "tunnels alone have ends");
    return std::to_string(link.index) + link.name + link.kind + link.alias + link.mac.to_string() +
           (link.remote ? link.remote->to_string() : "");
}

std::string shown(const Route& route) {
    expect(route.destination.length() <= route.destination.network().bits(), "a prefix fits");
    return route.destination.to_string() + ' ' + std::to_string(route.link) +
           (route.gateway ? route.gateway->to_string() : "") +
           (route.source ? route.source->to_string() : "");
}

std::string shown(const InterfaceAddress& address) {
    return std::to_string(address.link) + address.local.to_string() + address.label +
           (address.peer ? address.peer->to_string() : "");
}

std::string shown(const Rule& rule) {
    return rule.source.to_string() + std::to_string(rule.table);
}

std::string shown(const Traffic& traffic) {
    return traffic.kind + std::to_string(traffic.received_bytes);
}

template <typename T>
std::string shown(const std::vector<T>& list) {
    std::string text;
    for (const T& item : list)
        text += shown(item) + '\n';
    return text;
}

std::string links(Socket& socket, const std::string& kind) {
    const auto found = dump_links(socket, kind);
    expect(std::ranges::all_of(found, [&](const Link& link) { return link.kind == kind; }),
           "links are of the kind that was asked for");
    return shown(found);
}

std::string own_routes(Socket& socket, ip::Family family) {
    const auto found = dump_own_routes(socket, family);
    expect(std::ranges::all_of(found,
                               [](const Route& route) { return route.protocol == own_protocol; }),
           "routes are ours");
    return shown(found);
}

std::string ways(Socket& socket) {
    const std::vector<ip::Address> addresses{somewhere, somewhere, somewhere};
    std::string text;
    find_routes(socket, addresses, [&](std::size_t number, const RouteEntry& entry) {
        expect(number < addresses.size(), "an answer is to a question");
        text += std::to_string(number) + shown(entry.route) +
                std::to_string(entry.further_links.size());
    });
    return text;
}

std::string deletions(Socket& socket) {
    Link first;
    first.index = 2;
    Link second = first;
    second.index = 3;
    std::string text;
    for (const auto& trouble : delete_links(socket, {first, second}))
        text += trouble ? trouble->what() : "done";
    return text;
}

std::string several(Socket& socket) {
    std::vector<Request> requests;
    requests.push_back(get_link("eth0"));
    requests.push_back(get_route(somewhere));
    requests.push_back(get_link(2));
    std::string text;
    for (const Socket::Answer& answer : socket.exchange(requests)) {
        text += answer.error ? answer.error->what() : "done";
        text += answer.reply ? "; a reply" : "";
    }
    return text;
}

std::string news() {
    Monitor monitor;
    const Monitor::News heard = monitor.take();
    expect(heard.any || heard.processes.empty(), "who did something is named with it");
    return heard.any ? "news" : "nothing";
}

/// Of a link that there is: so that nobody hears of its end is an error.
std::string early_deletion() {
    return delete_link_early("lo") ? "gone" : "was not there";
}

const std::array<std::function<std::string(Socket&)>, 20> questions{
    [](Socket& socket) { return links(socket, "ipip"); },
    [](Socket& socket) { return links(socket, "veth"); },
    [](Socket& socket) { return shown(dump_traffic(socket, "ipip")); },
    [](Socket& socket) { return shown(dump_addresses(socket, ip::Family::v4)); },
    [](Socket& socket) { return shown(dump_addresses(socket, ip::Family::v6)); },
    [](Socket& socket) { return own_routes(socket, ip::Family::v4); },
    [](Socket& socket) { return own_routes(socket, ip::Family::v6); },
    [](Socket& socket) { return shown(dump_routes(socket, ip::Family::v4)); },
    [](Socket& socket) { return shown(dump_own_rules(socket, ip::Family::v4)); },
    [](Socket& socket) {
        const Message reply = socket.find(get_link("eth0"));
        return reply ? shown(to_link(reply)) : "none";
    },
    [](Socket& socket) {
        const Message reply = socket.find(get_route(somewhere));
        return reply ? shown(to_route(reply).route) : "none";
    },
    [](Socket& socket) {
        const Message reply = socket.find(get_neighbour(2, somewhere));
        const auto mac = reply ? to_neighbour(reply).mac : std::nullopt;
        return mac ? mac->to_string() : "none";
    },
    [](Socket&) { return has_rules({.masquerade = {}, .source_check = {}}) ? "yes" : "no"; },
    [](Socket&) { return set_rules({.masquerade = {}, .source_check = {}}) ? "set" : "stood"; },
    [](Socket& socket) { return has_tunnels(socket) ? "yes" : "no"; },
    deletions,
    several,
    [](Socket&) { return news(); },
    [](Socket&) { return early_deletion(); },
    ways,
};

std::string answer_to(std::size_t question) {
    try {
        Socket socket;
        return questions.at(question)(socket);
    } catch (const Error& error) {
        expect(error.number() > 0, "an error has a number");
        return error.what();
    }
}

std::string outcome(std::size_t question, std::string_view datagrams) {
    input = datagrams;
    std::string answer = answer_to(question);
    end_helper();
    return answer;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::size_t question = data[0] % questions.size();
    const std::string_view datagrams(reinterpret_cast<const char*>(data) + 1, size - 1);
    with_strangers = true;
    const std::string with = outcome(question, datagrams);
    with_strangers = false;
    expect(outcome(question, datagrams) == with, "nobody but the kernel is heard");
    return 0;
}
