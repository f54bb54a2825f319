#pragma once

#include "agent/kube_config.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace agent {

/// What the cluster is to know of this host's Node.
struct NodeReport {
    /// The condition NetworkUnavailable is the contrary of this; none: it is not known yet.
    std::optional<bool> network_available;
    std::string why;     ///< in words
    std::string address; ///< for the annotation of addresses; empty: none of our business

    bool operator==(const NodeReport&) const = default;
};

/// Writes it into the Node, and again whenever somebody else wrote something else there, until the
/// server has it.
class Reporter {
  public:
    Reporter(KubeConfig config, std::string node_name);
    ~Reporter();
    Reporter(const Reporter&) = delete;
    Reporter& operator=(const Reporter&) = delete;

    /// `differs`: the Node was seen to say something else.
    void tell(const NodeReport& report, bool differs);

  private:
    using Clock = std::chrono::steady_clock;
    void run();
    void write(const NodeReport& report) const;

    KubeConfig config_;
    std::string node_name_;
    std::shared_ptr<Interrupt> interrupt_;
    std::mutex mutex_;
    std::condition_variable changed_;
    NodeReport report_;
    bool due_ = false;
    std::optional<Clock::time_point> written_; ///< when the server had it
    bool stopped_ = false;
    std::thread thread_;
};

} // namespace agent
