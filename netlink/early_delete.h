#pragma once

#include <string>

namespace netlink {

/// Deletes a link and returns as soon as it is gone, with its peer and the addresses and routes of
/// both: when the kernel tells everyone so (RTM_DELLINK). Who asked for it is answered an RCU grace
/// period later, about 20 ms, in which nothing is left to see. So a process of its own asks; it has
/// no file of this one but the socket, and may end after it; nobody waits for it, so that it stays
/// a zombie of a caller that lives on, with 20 KiB of its memory. The calling thread is in the
/// link's network namespace. Returns whether the link was there. Throws Error.
bool delete_link_early(const std::string& name);

} // namespace netlink
