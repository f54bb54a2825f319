#pragma once

#include "test/kernel/scene.h"

#include <cstdint>
#include <string>

// Packets as nobody's IP stack would send them.

namespace scene {

/// An IPv4 packet with whichever addresses, TTL 64.
std::string ipv4_packet(const std::string& from, const std::string& to, std::uint8_t protocol,
                        const std::string& payload);
/// An ICMP timestamp request, as a payload of protocol 1: nothing else sends such.
std::string icmp_timestamp();

/// Sends a whole IPv4 packet from a namespace. Throws std::system_error.
void send_ipv4(const Namespace& from, const std::string& packet);
/// Sends a payload of whichever protocol to an address of either family. Throws std::system_error.
void send_payload(const Namespace& from, const std::string& to, std::uint8_t protocol,
                  const std::string& payload);

/// Hears what arrives in a namespace for it by a protocol of either family.
class RawReceiver {
  public:
    RawReceiver(const Namespace& space, int family, std::uint8_t protocol);
    RawReceiver(const RawReceiver&) = delete;
    RawReceiver& operator=(const RawReceiver&) = delete;
    ~RawReceiver();
    /// Whether anything came so far. Waits for nothing.
    bool heard() const;

  private:
    int fd_;
};

} // namespace scene
