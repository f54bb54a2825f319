#include "netlink/datagram.h"

#include <linux/netlink.h>
#include <sys/socket.h>

namespace netlink {

ssize_t receive_from_kernel(int fd, void* buffer, std::size_t size, int flags) {
    for (;;) {
        sockaddr_nl sender{};
        socklen_t length = sizeof sender;
        const ssize_t received =
            ::recvfrom(fd, buffer, size, flags, reinterpret_cast<sockaddr*>(&sender), &length);
        if (received < 0 || sender.nl_pid == 0) // the kernel's own port, netlink(7)
            return received;
    }
}

} // namespace netlink
