#include "test/protocol/dhcp_server.h"

#include "test/kernel/scene.h"

#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <netinet/in.h>
#include <optional>
#include <poll.h>
#include <span>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace scene {

namespace {

enum Message : std::uint8_t { discover = 1, offer, request, decline, ack, nak, release };

// RFC 2132.
enum Option : std::uint8_t {
    subnet_mask = 1,
    routers = 3,
    lease_time = 51,
    message_type = 53,
    server_id = 54,
    end = 255,
};

/// The fixed part of a message, RFC 2131 section 2, with the magic cookie of its options.
struct Header {
    std::uint8_t op, hardware_type, hardware_length, hops;
    std::uint32_t transaction;
    std::uint16_t seconds, flags;
    in_addr client, yours, server, relay;
    std::array<std::uint8_t, 16> hardware;
    std::array<char, 192> names;
    std::array<std::uint8_t, 4> cookie;
};
static_assert(sizeof(Header) == 240);

constexpr std::size_t largest = 1500;
using Packet = std::array<std::uint8_t, largest>;

std::optional<std::uint8_t> type_of(std::span<const std::uint8_t> options) {
    while (options.size() > 2 && options[0] != end) {
        if (options[0] == message_type)
            return options[2];
        const std::size_t size = options[0] == 0 ? 1 : 2U + options[1];
        options = options.subspan(std::min(size, options.size()));
    }
    return std::nullopt;
}

void append(Packet& packet, std::size_t& size, Option option, std::span<const std::uint8_t> value) {
    packet.at(size++) = option;
    packet.at(size++) = static_cast<std::uint8_t>(value.size());
    for (const std::uint8_t byte : value)
        packet.at(size++) = byte;
}

void append(Packet& packet, std::size_t& size, Option option, const std::string& address) {
    std::array<std::uint8_t, 4> bytes{};
    ::inet_pton(AF_INET, address.c_str(), bytes.data());
    append(packet, size, option, bytes);
}

} // namespace

DhcpServer::DhcpServer(const Namespace& space, Offer offer)
    : offer_(std::move(offer)),
      socket_(space.in([] { return checked(::socket(AF_INET, SOCK_DGRAM, 0), "open a socket"); })),
      stop_(checked(::eventfd(0, 0), "make an event")) {
    const int on = 1;
    checked(::setsockopt(socket_, SOL_SOCKET, SO_BROADCAST, &on, sizeof on), "broadcast");
    checked(::setsockopt(socket_, IPPROTO_IP, IP_PKTINFO, &on, sizeof on), "ask for devices");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(67);
    checked(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
    thread_ = std::thread([this] { serve(); });
}

DhcpServer::~DhcpServer() {
    const std::uint64_t one = 1;
    if (::write(stop_, &one, sizeof one) == sizeof one)
        thread_.join();
    ::close(stop_);
    ::close(socket_);
}

std::string DhcpServer::heard(std::size_t count) const {
    std::unique_lock lock(mutex_);
    constexpr std::chrono::seconds patience{10}; // for what must come
    more_.wait_for(lock, patience, [&] { return heard_.size() >= count; });
    std::string text;
    for (const std::string& word : heard_)
        text.append(text.empty() ? "" : " ").append(word);
    return text;
}

void DhcpServer::serve() {
    std::array<pollfd, 2> waits{{{stop_, POLLIN, 0}, {socket_, POLLIN, 0}}};
    while (::poll(waits.data(), waits.size(), -1) > 0 && waits[0].revents == 0)
        answer();
}

void DhcpServer::answer() {
    Packet packet{};
    sockaddr_in peer{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> control{};
    iovec data{packet.data(), packet.size()};
    msghdr message{};
    message.msg_name = &peer;
    message.msg_namelen = sizeof peer;
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t received = ::recvmsg(socket_, &message, MSG_DONTWAIT);
    if (received <= static_cast<ssize_t>(sizeof(Header)))
        return;
    const auto type = type_of(std::span(packet).subspan(
        sizeof(Header), static_cast<std::size_t>(received) - sizeof(Header)));
    if (!type)
        return;
    static const std::map<std::uint8_t, std::string> words{
        {discover, "DISCOVER"}, {request, "REQUEST"}, {decline, "DECLINE"}, {release, "RELEASE"}};
    {
        const std::lock_guard lock(mutex_);
        heard_.push_back(words.at(*type));
    }
    more_.notify_all();
    if (*type != discover && *type != request)
        return;

    Header header{};
    std::memcpy(&header, packet.data(), sizeof header);
    header.op = 2; // a reply
    ::inet_pton(AF_INET, offer_.address.c_str(), &header.yours);
    std::memcpy(packet.data(), &header, sizeof header);
    std::size_t size = sizeof header;
    const std::array<std::uint8_t, 1> kind{*type == discover ? offer : ack};
    append(packet, size, message_type, kind);
    append(packet, size, server_id, offer_.router);
    append(packet, size, subnet_mask, offer_.mask);
    append(packet, size, routers, offer_.router);
    append(packet, size, lease_time, std::array<std::uint8_t, 4>{0, 0, 0x0e, 0x10}); // an hour
    packet.at(size++) = end;

    // Back over the device on which it came, to all: the client has no address yet.
    cmsghdr* info = CMSG_FIRSTHDR(&message);
    in_pktinfo device{};
    std::memcpy(&device, CMSG_DATA(info), sizeof device);
    device.ipi_spec_dst = {};
    std::memcpy(CMSG_DATA(info), &device, sizeof device);
    data.iov_len = size;
    peer.sin_port = htons(68);
    peer.sin_addr.s_addr = INADDR_BROADCAST;
    ::sendmsg(socket_, &message, 0);
}

DhcpDaemon::DhcpDaemon(const Namespace& space, const std::string& socket) {
    // The listening socket is passed on as systemd does it (sd_listen_fds(3)), so that the plugin
    // can connect from now on.
    const int listening =
        checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "open a socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
    checked(::bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
    checked(::listen(listening, 5), "listen");
    process_ = checked(::fork(), "start a process");
    if (process_ == 0) {
        constexpr int passed = 3; // SD_LISTEN_FDS_START
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int quiet = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (::setns(space.fd(), CLONE_NEWNET) != 0 || ::dup2(quiet, STDERR_FILENO) < 0 ||
            ::dup2(listening, passed) != passed)
            ::_exit(127);
        ::setenv("LISTEN_FDS", "1", 1);
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        ::execl("/usr/lib/cni/dhcp", "dhcp", "daemon", static_cast<char*>(nullptr));
        ::_exit(127);
    }
    ::close(listening);
}

DhcpDaemon::~DhcpDaemon() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
}

} // namespace scene
