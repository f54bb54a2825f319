#pragma once

#include "test/kubernetes/control_plane.h"
#include "test/kubernetes/node_object.h"
#include "test/system/agent.h"

#include <gmock/gmock.h>
#include <set>

namespace scene {

inline const std::string nodes_path = "/api/v1/nodes";

/// Three hosts on a wire with the API server, whose Nodes come and go as the test says, and agents
/// on them that may do what the manifests' ClusterRole allows.
class AgentsInCluster : public ::testing::Test {
  protected:
    AgentsInCluster();
    ~AgentsInCluster() override;

    static ControlPlane& plane() { return ControlPlane::shared(); }
    static const Client& admin() { return plane().admin(); }

    /// The spec of host `number`: "host1", 172.16.5.126, 10.10.100.0/24.
    NodeSpec spec(int number) const;
    void create(const NodeSpec& spec);
    void create(const std::vector<NodeSpec>& specs);
    void remove(const std::string& name);
    /// A JSON merge patch of the Node, or of its "/status".
    void change(const std::string& name, const Json& changes, const std::string& part = {});
    Json node(const std::string& name) const { return admin().get(nodes_path + '/' + name); }
    /// "False" of the Node's condition; empty where it has none.
    std::string unavailable(const std::string& name) const;

    void start(int number, const Words& more = {});
    Agent& agent(int number) { return *agents_.at(number); }
    void stop(int number, int signal);
    /// What the agents authenticate with.
    Identity account() const { return plane().service_account("kube-system", "ipipd"); }
    std::filesystem::path write_kubeconfig(int number, const std::string& text) const;

    /// The peers of host 1 to which a tunnel stands, and where it leads: "host2 172.16.5.127".
    std::set<std::string> tunnels();
    bool tunnels_come_to(const std::set<std::string>& wanted);

    Cluster cluster{3};
    Uplink uplink_{cluster.wire()};

  private:
    std::set<std::string> made_;
    std::map<int, std::unique_ptr<Agent>> agents_;
};

} // namespace scene
