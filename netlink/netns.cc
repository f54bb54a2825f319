#include "netlink/netns.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

namespace netlink {

Netns Netns::open(const std::string& path) {
    // A path that leads to a pipe must not keep us waiting for who writes to it.
    Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!fd && (errno == ENOENT || errno == ENOTDIR || errno == ENXIO || errno == ENAMETOOLONG))
        throw NotANamespace('"' + path + "\" does not exist");
    if (!fd)
        fail("open network namespace " + path);
    if (::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
        throw NotANamespace('"' + path + "\" is not a network namespace");
    return Netns(std::move(fd));
}

Netns Netns::current() {
    return open("/proc/thread-self/ns/net");
}

Socket Netns::socket(int protocol) const {
    const Netns home = current();
    if (::setns(fd(), CLONE_NEWNET) != 0)
        fail("enter the network namespace");
    // Whatever happens in there, the thread comes back: anywhere else it would go on to
    // change the wrong namespace, so a thread that cannot return must not go on at all.
    struct Return {
        const Netns& home;
        ~Return() {
            if (::setns(home.fd(), CLONE_NEWNET) != 0)
                std::abort();
        }
    } const back{home};
    return Socket(protocol);
}

std::string Netns::identity() const {
    struct stat status {};
    if (::fstat(fd(), &status) != 0)
        fail("identify a network namespace");
    return std::to_string(status.st_dev) + ':' + std::to_string(status.st_ino);
}

} // namespace netlink
