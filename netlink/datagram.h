#pragma once

#include <cstddef>
#include <sys/types.h>

namespace netlink {

/// recv(2) of what the kernel itself sends. A datagram from anybody else is read and thrown away:
/// whoever has CAP_NET_ADMIN in a namespace, as some pods have in their own, can send to every
/// netlink socket in there, and would be taken for the kernel.
ssize_t receive_from_kernel(int fd, void* buffer, std::size_t size, int flags);

} // namespace netlink
