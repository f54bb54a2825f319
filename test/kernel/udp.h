#pragma once

#include "test/kernel/scene.h"

#include <cstdint>
#include <string>

namespace scene {

/// What arrived, and from which address, as its receiver sees it.
struct Datagram {
    std::string source;
    std::string text;

    bool operator==(const Datagram&) const = default;
};

/// A UDP socket in a namespace, of either family. Throws std::system_error.
class Udp {
  public:
    /// Bound to `address`, or left to the kernel's choice, IPv4, and any free port.
    explicit Udp(const Namespace& space, const std::string& address = "0.0.0.0");
    Udp(const Udp&) = delete;
    Udp& operator=(const Udp&) = delete;
    ~Udp();

    std::uint16_t port() const;
    void send(const std::string& address, std::uint16_t port, const std::string& text) const;
    /// The next datagram; waits for it. Throws after 20 seconds without one.
    Datagram receive() const;
    /// The same, and sends `text` back to where that came from.
    Datagram answer(const std::string& text) const;

  private:
    int fd_;
};

} // namespace scene
