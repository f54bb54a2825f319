#pragma once

#include "agent/health.h"
#include "agent/kube_source.h"

#include <memory>
#include <string>

namespace agent {

/// All that is told at /metrics, gathered when it is asked for: the agent's own condition, and from
/// the kernel what went through each tunnel.
class Metrics {
  public:
    Metrics(const Health& health, std::shared_ptr<KubeCounters> kube, std::string network)
        : health_(health), kube_(std::move(kube)), network_(std::move(network)) {}

    /// In Prometheus' text format, version 0.0.4.
    std::string text() const;

  private:
    const Health& health_;
    std::shared_ptr<KubeCounters> kube_;
    std::string network_;
};

} // namespace agent
