#pragma once

#include <optional>
#include <string>

namespace netlink {

/// Whether IPv4 packets that come in by `device` are forwarded (net.ipv4.conf.DEVICE.forwarding).
/// None where there is no such device. Throws Error.
std::optional<bool> forwarding(const std::string& device);

/// Sets it, by the file in /proc/sys: unlike netlink's way this also turns off large receive
/// offload on the device, whose merged packets could not be forwarded. In a container those files
/// are read-only, and netlink's way is taken. It speaks to the calling thread's network namespace.
/// Throws Error.
void set_forwarding(const std::string& device, bool on);

} // namespace netlink
