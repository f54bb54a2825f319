#include "test/kernel/raw.h"

#include "test/kernel/scene.h"

#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdexcept>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace scene {

namespace {

/// The Internet checksum, RFC 1071.
std::uint16_t checksum(const std::string& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 2)
        sum += static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]) << 8) +
               (i + 1 < bytes.size() ? static_cast<unsigned char>(bytes[i + 1]) : 0U);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons(static_cast<std::uint16_t>(~sum));
}

template <typename T>
std::string bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

void send_by(const Namespace& from, int family, int protocol, const sockaddr* to, socklen_t size,
             const std::string& bytes) {
    from.in([&] {
        const int fd = checked(::socket(family, SOCK_RAW | SOCK_CLOEXEC, protocol), "raw socket");
        const ssize_t sent = ::sendto(fd, bytes.data(), bytes.size(), 0, to, size);
        const int error = errno;
        ::close(fd);
        if (sent < 0)
            throw std::system_error(error, std::generic_category(), "send a raw packet");
    });
}

} // namespace

std::string ipv4_packet(const std::string& from, const std::string& to, std::uint8_t protocol,
                        const std::string& payload) {
    iphdr header{};
    header.version = 4;
    header.ihl = sizeof header / 4;
    header.tot_len = htons(static_cast<std::uint16_t>(sizeof header + payload.size()));
    header.ttl = 64;
    header.protocol = protocol;
    if (::inet_pton(AF_INET, from.c_str(), &header.saddr) != 1 ||
        ::inet_pton(AF_INET, to.c_str(), &header.daddr) != 1)
        throw std::invalid_argument(from + " or " + to + " is no IPv4 address");
    header.check = checksum(bytes_of(header));
    return bytes_of(header) + payload;
}

std::string icmp_timestamp() {
    icmphdr header{};
    header.type = ICMP_TIMESTAMP;
    header.checksum = checksum(bytes_of(header));
    return bytes_of(header) + std::string(12, '\0'); // three times of nothing, RFC 792
}

void send_ipv4(const Namespace& from, const std::string& packet) {
    iphdr header{};
    packet.copy(reinterpret_cast<char*>(&header), sizeof header);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = header.daddr;
    send_by(from, AF_INET, IPPROTO_RAW, reinterpret_cast<const sockaddr*>(&to), sizeof to, packet);
}

void send_payload(const Namespace& from, const std::string& to, std::uint8_t protocol,
                  const std::string& payload) {
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET, to.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        send_by(from, AF_INET, protocol, reinterpret_cast<const sockaddr*>(&v4), sizeof v4,
                payload);
    } else if (::inet_pton(AF_INET6, to.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        send_by(from, AF_INET6, protocol, reinterpret_cast<const sockaddr*>(&v6), sizeof v6,
                payload);
    } else {
        throw std::invalid_argument(to + " is no address");
    }
}

RawReceiver::RawReceiver(const Namespace& space, int family, std::uint8_t protocol)
    : fd_(space.in([&] {
          return checked(::socket(family, SOCK_RAW | SOCK_CLOEXEC, protocol), "listen");
      })) {}

RawReceiver::~RawReceiver() {
    ::close(fd_);
}

bool RawReceiver::heard() const {
    char first = 0;
    return ::recv(fd_, &first, 1, MSG_DONTWAIT | MSG_PEEK) >= 0;
}

} // namespace scene
