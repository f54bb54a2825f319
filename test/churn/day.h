#pragma once

#include "test/churn/caller.h"
#include "test/system/agent.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace scene {

/// A node with an agent, and the pods that come to it and go.
class Day {
  public:
    /// With so many other hosts, which want a kernel with ipip.
    explicit Day(int peers);

    /// Some pods more: callers at once, each with pods of its own, add them and take others away,
    /// with a CHECK now and then and namespaces that end before their pod's DEL.
    void add_pods();
    /// The runtime loses a pod or two, and a GC comes; STATUS.
    void collect_garbage();
    /// The nodes change; the agent finds out by itself.
    void change_nodes();
    /// Somebody removes what the agent has to put back.
    void damage() const;
    /// The nodes are those of the beginning.
    void restore_nodes();
    /// All pods end.
    void end_pods();

    /// Fails the test where what the pods were told is not what the kernel and the leases say.
    void compare() const;

    const Host& host() const { return cluster_.host(1); }
    const Agent& agent() const { return *agent_; }
    Call probe(const char* verb, const Pod& pod) const { return call(verb, &pod); }

    std::size_t standing() const;
    /// How many pods there were.
    std::size_t pods() const { return took_.size(); }
    /// The time of each ADD so far.
    const std::vector<std::chrono::microseconds>& took() const { return took_; }

  private:
    struct Slot {
        std::unique_ptr<Pod> pod = std::make_unique<Pod>("none");
        Json result; ///< null: it is not attached
    };
    /// What one caller does on its thread.
    struct Worker {
        std::vector<std::unique_ptr<Slot>> slots;
        std::mt19937 random;
        std::vector<std::chrono::microseconds> took;
    };

    Call call(const char* verb, const Pod* pod, const Json& more = Json::object()) const;
    void work(Worker& worker, Caller& caller);
    void add(Worker& worker, Slot& slot, Caller& caller);
    void take_away(Worker& worker, Slot& slot, Caller& caller) const;
    Json valid_attachments() const;

    Cluster cluster_;
    std::filesystem::path nodes_file_;
    std::unique_ptr<Agent> agent_;
    Json config_;
    std::vector<Worker> workers_;
    std::mt19937 random_{94};
    std::atomic<int> last_id_ = 0;
    std::vector<std::chrono::microseconds> took_;
};

} // namespace scene
