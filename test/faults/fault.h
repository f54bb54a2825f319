#pragma once

#include "test/system/cluster.h"

#include <set>
#include <string>

namespace scene {

/// What happens at one system call of a program, by strace(1): nothing in the product knows of it.
struct Fault {
    std::string call;       ///< "openat"
    std::string how;        ///< "error=ENOSPC", "signal=SIGKILL"
    int number = 1;         ///< which of these calls of a thread, from 1
    bool all_later = false; ///< and all that follow

    bool is_interruption() const { return how == "error=EINTR"; }
};

/// A call of the plugin that a fault was waiting for.
struct Struck {
    Output output;
    bool hit; ///< false: it made fewer such system calls
};

Struck strike(const Host& host, Call call, const Fault& fault);

/// The names of the system calls that this makes.
std::set<std::string> system_calls(const Host& host, Call call);

} // namespace scene
