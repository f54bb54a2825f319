#pragma once

#include "agent/health.h"
#include "agent/metrics.h"

#include <memory>
#include <string>

namespace agent {

/// Answers /healthz (the process runs), /readyz (503 and why until the node can take pods) and
/// /metrics, on threads of its own.
class Server {
  public:
    /// `address` is "127.0.0.1:9094" or ":9094" for all. Throws std::runtime_error, which names
    /// it, where nobody can listen there.
    Server(const std::string& address, const Health& health,
           std::shared_ptr<const Metrics> metrics);
    ~Server();

  private:
    class Handlers;
    std::unique_ptr<Handlers> handlers_;
};

} // namespace agent
