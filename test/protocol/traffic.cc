#include "test/protocol/traffic.h"

#include "test/kernel/scene.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace scene {

namespace {

constexpr int patience_ms = 10'000; // for what must come; nothing is asserted about time

class Socket {
  public:
    Socket(const Namespace& space, int type)
        : fd_(space.in([&] { return checked(::socket(AF_INET, type, 0), "open a socket"); })) {
        const timeval patience{patience_ms / 1000, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience); // of connect(2)
        const int on = 1;
        ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() { ::close(fd_); }
    int fd() const { return fd_; }

    void bind(std::uint16_t port) const {
        const sockaddr_in anywhere = address_of({"0.0.0.0", port});
        checked(::bind(fd_, reinterpret_cast<const sockaddr*>(&anywhere), sizeof anywhere), "bind");
    }
    bool connect(const Port& to) const {
        const sockaddr_in target = address_of(to);
        return ::connect(fd_, reinterpret_cast<const sockaddr*>(&target), sizeof target) == 0;
    }
    bool has_something() const {
        pollfd waiting{fd_, POLLIN, 0};
        return ::poll(&waiting, 1, 0) == 1;
    }

  private:
    static sockaddr_in address_of(const Port& port) {
        sockaddr_in result{};
        result.sin_family = AF_INET;
        result.sin_port = htons(port.number);
        ::inet_pton(AF_INET, port.address.c_str(), &result.sin_addr);
        return result;
    }

    int fd_;
};

} // namespace

std::string caller(const Namespace& client, const Port& to, const Namespace& server,
                   std::uint16_t port) {
    const Socket listening(server, SOCK_STREAM);
    listening.bind(port);
    checked(::listen(listening.fd(), 1), "listen");
    const Socket calling(client, SOCK_STREAM);
    if (!calling.connect(to) || !listening.has_something())
        return "nobody";
    sockaddr_in source{};
    socklen_t size = sizeof source;
    ::close(
        checked(::accept(listening.fd(), reinterpret_cast<sockaddr*>(&source), &size), "accept"));
    char text[INET_ADDRSTRLEN];
    return ::inet_ntop(AF_INET, &source.sin_addr, text, sizeof text);
}

void flood(const Namespace& from, const Port& to, const Namespace& listener, int count) {
    const Socket receiving(listener, SOCK_DGRAM);
    receiving.bind(to.number);
    const Socket sending(from, SOCK_DGRAM);
    checked(sending.connect(to) ? 0 : -1, "connect");
    const char data[1000] = {};
    for (int i = 0; i < count; ++i)
        checked(static_cast<int>(::send(sending.fd(), data, sizeof data, 0)), "send");
}

} // namespace scene
