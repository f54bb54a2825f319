#pragma once

#include "test/system/agent.h"

#include <gmock/gmock.h>

namespace scene {

/// A host without peers on which the agent may run, on any kernel.
class AgentOnOneHost : public ::testing::Test {
  protected:
    AgentOnOneHost() { write_nodes_file(nodes_file, cluster.nodes()); }

    std::unique_ptr<Agent> start(const Words& more = {}) const {
        Words options{"--nodes-file", nodes_file.string(), "--ip-masq", "true"};
        options.insert(options.end(), more.begin(), more.end());
        return std::make_unique<Agent>(host, options);
    }

    Cluster cluster{1};
    Host& host = cluster.host(1);
    std::filesystem::path nodes_file = host.folder() / "nodes";
};

} // namespace scene
