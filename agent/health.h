#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace agent {

/// How the agent is doing, as it is told to the outside: one writer, any number of readers.
struct Condition {
    bool listed = false;      ///< the nodes are known, all of them
    bool self_known = false;  ///< and this one is among them
    bool stands = false;      ///< the last look found the mesh as it must be, or made it so
    bool installed = false;   ///< plugin and conflist are in their places
    std::string trouble;      ///< the first thing in the way; empty: none
    std::size_t peers = 0;    ///< wanted
    std::size_t waiting = 0;  ///< Nodes that are none of the mesh yet
    std::size_t refused = 0;  ///< Nodes that are wrong or clash with another
    std::size_t left_out = 0; ///< Nodes whose tunnel something on this host is in the way of
    std::uint64_t looks = 0;
    std::uint64_t failures = 0;       ///< looks that ended in an error
    double seconds = 0;               ///< that all looks took
    std::uint64_t freed = 0;          ///< addresses of pods that were gone
    std::uint64_t addresses_used = 0; ///< of pods
    std::uint64_t addresses_free = 0;
    std::map<std::string, std::uint64_t> repairs; ///< by kind: "tunnel", "address", "route", ...

    bool ready() const { return listed && self_known && stands && installed; }
    /// A sentence for people: "ready", or what is missing.
    std::string sentence() const;
};

class Health {
  public:
    template <typename Change>
    void change(Change change) {
        const std::lock_guard guard(mutex_);
        change(condition_);
    }
    Condition now() const {
        const std::lock_guard guard(mutex_);
        return condition_;
    }

  private:
    mutable std::mutex mutex_;
    Condition condition_;
};

} // namespace agent
