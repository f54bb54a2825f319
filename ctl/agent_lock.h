#pragma once

#include "netlink/fd.h"

#include <filesystem>
#include <optional>

namespace ctl {

/// The lock in the state directory that ipipd holds while it runs.
struct AgentLock {
    bool agent_runs;                 ///< then nobody else gets it
    std::optional<netlink::Fd> held; ///< ipipd cannot start while this lives; none: no such file
};

/// Takes it, waiting for nobody. Throws std::runtime_error.
AgentLock try_agent_lock(const std::filesystem::path& state_dir);

} // namespace ctl
