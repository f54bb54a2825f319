#pragma once

#include "test/system/agent.h"

#include <map>
#include <set>
#include <string>

namespace scene {

/// What must not grow on a node, read from the kernel.
struct Gauge {
    std::size_t links = 0;       ///< of the host
    std::size_t routes = 0;      ///< of the host, in all tables
    std::size_t rules = 0;       ///< routing rules
    std::size_t nftables = 0;    ///< tables, chains, rules, sets
    std::size_t helpers = 0;     ///< processes of the plugin that are still there
    std::size_t descriptors = 0; ///< of the agent
    std::size_t threads = 0;     ///< of the agent
    std::set<std::string> files; ///< in the state directory

    bool operator==(const Gauge&) const = default;
};

Gauge read_gauge(const Host& host, const Agent& agent);
std::string describe(const Gauge& gauge);

/// Bytes of memory that a process has, by a name in /proc/PID/status: "VmRSS".
std::size_t memory_of(pid_t process, const std::string& name);

/// Bytes of the file with the leases.
std::size_t lease_bytes(const Host& host);

/// What one call of the plugin does, by strace(1).
struct Effort {
    std::size_t calls = 0;    ///< of the system
    std::size_t messages = 0; ///< of netlink, sent
    std::size_t bytes = 0;    ///< that it read or received
};

/// Throws std::runtime_error where the call fails.
Effort effort_of(const Host& host, Call call);

} // namespace scene
