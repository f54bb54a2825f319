#include "ctl/agent_lock.h"

#include "cni/host_files.h"

#include <cerrno>
#include <fcntl.h>
#include <stdexcept>
#include <sys/file.h>
#include <system_error>

namespace ctl {

AgentLock try_agent_lock(const std::filesystem::path& state_dir) {
    const auto path = state_dir / cni::agent_lock_name;
    netlink::Fd file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (!file && (errno == ENOENT || errno == ENOTDIR))
        return {.agent_runs = false, .held = std::nullopt};
    if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0)
        return {.agent_runs = false, .held = std::move(file)};
    if (file && errno == EWOULDBLOCK)
        return {.agent_runs = true, .held = std::nullopt};
    throw std::runtime_error("cannot lock " + path.string() + " (--state-dir): " +
                             std::generic_category().message(errno) + "; run this as root");
}

} // namespace ctl
