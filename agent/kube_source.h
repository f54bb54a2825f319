#pragma once

#include "agent/kube_config.h"
#include "agent/roster.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

namespace agent {

/// What the watch has been through, for the metrics.
struct KubeCounters {
    std::atomic<std::uint64_t> lists{0};
    std::atomic<std::uint64_t> watches{0};
    std::atomic<std::uint64_t> failures{0};
    std::atomic<std::uint64_t> events{0};
};

/// The cluster's Nodes, listed in pages and then watched. Of each, only what makes a node of the
/// mesh is kept; objects are read as they come, one at a time.
///
/// A watch that ends is taken up where it was; where the server has forgotten that place (410
/// Gone) all is listed again. Between attempts that fail it waits, longer each time and by a
/// random part, up to half a minute, and within that as long as the server says (Retry-After).
/// Until a list is complete nothing is delivered: what stands from before stays.
class KubeSource : public NodeSource {
  public:
    KubeSource(KubeConfig config, std::shared_ptr<KubeCounters> counters);
    ~KubeSource() override;
    void start(Deliver deliver) override;

  private:
    class Follower;
    KubeConfig config_;
    std::shared_ptr<KubeCounters> counters_;
    std::shared_ptr<Interrupt> interrupt_;
    std::thread thread_;
};

} // namespace agent
