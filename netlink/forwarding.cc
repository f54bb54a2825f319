#include "netlink/forwarding.h"

#include "netlink/error.h"
#include "netlink/fd.h"
#include "netlink/link.h"
#include "netlink/socket.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>

namespace netlink {

static std::string path_of(const std::string& device) {
    // As sysctl(8) has it: a dot in a name is a slash in none.
    return "/proc/sys/net/ipv4/conf/" + device + "/forwarding";
}

std::optional<bool> forwarding(const std::string& device) {
    const std::string path = path_of(device);
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file && errno == ENOENT)
        return std::nullopt;
    char value = '0';
    if (!file || ::read(file.get(), &value, 1) != 1)
        fail("read " + path);
    return value != '0';
}

void set_forwarding(const std::string& device, bool on) {
    const std::string path = path_of(device);
    const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file && (errno == EROFS || errno == EACCES)) {
        Socket().run(configure(device, {.forwarding = on}));
        return;
    }
    if (!file || ::write(file.get(), on ? "1" : "0", 1) != 1)
        fail("write " + path);
}

} // namespace netlink
