#pragma once

#include "netlink/error.h"

#include <optional>
#include <vector>

namespace netlink {

class Socket;
struct Link;

/// Deletes the devices and all that stands on them, by their index. For each, in order: none where
/// it is gone, also where it went by itself; or why it is not. Throws Error where it cannot even
/// look.
///
/// One deletion waits about 20 ms for the kernel's readers (an RCU grace period), and a message
/// each would wait that often. So the devices are put in a group of their own, which goes with a
/// single message and a few waits, however many they are.
std::vector<std::optional<Error>> delete_links(Socket& socket, const std::vector<Link>& links);

} // namespace netlink
