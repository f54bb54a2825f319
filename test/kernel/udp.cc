#include "test/kernel/udp.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>
#include <unistd.h>

namespace scene {

namespace {

/// A socket address of either family.
struct Place {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;

    Place() = default;
    Place(const std::string& address, std::uint16_t port) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
        auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
        if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
            v4.sin_family = AF_INET;
            v4.sin_port = htons(port);
            size = sizeof v4;
        } else if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
            v6.sin6_family = AF_INET6;
            v6.sin6_port = htons(port);
            size = sizeof v6;
        } else {
            throw std::invalid_argument(address + " is no address");
        }
    }

    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

    std::uint16_t port() const {
        return ntohs(storage.ss_family == AF_INET
                         ? reinterpret_cast<const sockaddr_in&>(storage).sin_port
                         : reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
    }
    std::string address() const {
        std::array<char, INET6_ADDRSTRLEN> text{};
        const void* bytes =
            storage.ss_family == AF_INET
                ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in&>(storage).sin_addr)
                : &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
        ::inet_ntop(storage.ss_family, bytes, text.data(), text.size());
        return text.data();
    }
};

void check(bool good, const char* tried) {
    if (!good)
        throw std::system_error(errno, std::generic_category(), tried);
}

} // namespace

Udp::Udp(const Namespace& space, const std::string& address) : fd_(-1) {
    const Place place(address, 0);
    fd_ = space.in([&] { return ::socket(place.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0); });
    check(fd_ >= 0, "open a UDP socket");
    const timeval limit{.tv_sec = 20, .tv_usec = 0};
    check(::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0, "set a limit");
    check(::bind(fd_, place.get(), place.size) == 0, ("bind to " + address).c_str());
}

Udp::~Udp() {
    ::close(fd_);
}

std::uint16_t Udp::port() const {
    Place place;
    check(::getsockname(fd_, place.get(), &place.size) == 0, "find a port");
    return place.port();
}

void Udp::send(const std::string& address, std::uint16_t port, const std::string& text) const {
    const Place to(address, port);
    check(::sendto(fd_, text.data(), text.size(), 0, to.get(), to.size) >= 0,
          ("send to " + address).c_str());
}

/// Fills `from`.
static Datagram receive_from(int fd, Place& from) {
    std::array<char, 2048> text{};
    const auto size = ::recvfrom(fd, text.data(), text.size(), 0, from.get(), &from.size);
    check(size >= 0, "receive a datagram");
    return {from.address(), std::string(text.data(), static_cast<std::size_t>(size))};
}

Datagram Udp::receive() const {
    Place from;
    return receive_from(fd_, from);
}

Datagram Udp::answer(const std::string& text) const {
    Place from;
    Datagram received = receive_from(fd_, from);
    send(from.address(), from.port(), text);
    return received;
}

} // namespace scene
