#include "mesh/stamp.h"
#include "test/faults/mesh_victim.h"
#include "test/faults/strikes.h"
#include "test/faults/struck_agent.h"

// The agent finds other nodes in its file: each system call that it makes until the mesh of them
// stands is refused in turn, or it is killed there.

namespace scene {
namespace {

using Mesh = MeshVictim::Mesh;

/// A host with an agent, whose nodes file changes to and fro.
class Kept {
  public:
    /// The agent's calls of these kinds are watched; all where there are none.
    explicit Kept(std::vector<int> watched)
        : agent_(victim_.host(), prepare(), std::move(watched)) {
        EXPECT_TRUE(agent_.agent().becomes_ready()) << agent_.agent().log();
    }

    /// Returns how often each call was made.
    std::map<int, int> count() {
        Verdict verdict;
        change({}, verdict);
        EXPECT_TRUE(verdict.is_survived()) << verdict.text();
        return agent_.counts();
    }

    bool change(const Strike& fault, Verdict& verdict) {
        now_ = now_ == Mesh::plain ? Mesh::changed : Mesh::plain;
        const std::string before = finished();
        const auto stands = [&] { return !finished().empty() && finished() != before; };
        const bool hit = agent_.strike(
            fault, [&] { write_nodes_file(nodes_file_, victim_.nodes(now_)); }, stands);
        agent_.require_well(verdict, fault, stands, [&] {
            if (fault.number % 2 == 0)
                require_service(verdict);
        });
        victim_.require_mesh(verdict, now_, "at last");
        return hit;
    }

  private:
    std::filesystem::path prepare() {
        victim_.learn();
        write_nodes_file(nodes_file_, victim_.nodes(now_));
        return nodes_file_;
    }

    /// The fingerprint of a mesh that was made to its end; empty while one is in the making.
    std::string finished() const {
        const auto stamp = mesh::read_stamp(victim_.host().state_dir());
        return stamp ? stamp->fingerprint : "";
    }

    /// A pod comes and goes while there is no agent.
    void require_service(Verdict& verdict) const {
        const Pod pod("pod");
        Call call{.verb = "ADD",
                  .config =
                      Json{{"cniVersion", "1.1.0"},
                           {"name", "podnet"},
                           {"type", "ipip"},
                           {"ipMasq", true},
                           {"stateDir", victim_.host().state_dir().string()},
                           {"nodesFile", (victim_.host().state_dir() / "nodes.json").string()}}
                          .dump(),
                  .container = pod.id,
                  .netns = pod.net.path(),
                  .own_run = false};
        victim_.require_success(verdict, call, "without the agent");
        victim_.require_pods(verdict, {&pod}, "without the agent");
        call.verb = "DEL";
        victim_.require_success(verdict, call, "without the agent");
        victim_.require_pods(verdict, {}, "without the agent");
    }

    MeshVictim victim_;
    std::filesystem::path nodes_file_ = victim_.host().folder() / "nodes";
    Mesh now_ = Mesh::plain;
    StruckAgent agent_;
};

StrikeScene kept(const std::vector<int>& watched) {
    return [watched]() -> StrikeCase {
        const auto host = std::make_shared<Kept>(watched);
        return
            [host](const Strike& fault, Verdict& verdict) { return host->change(fault, verdict); };
    };
}

TEST(MeshRefused, OfTheAgentIsPutRightByItself) {
    sweep_strikes("a request of the agent refused", refusals(Kept(refused_calls()).count()),
                  kept(refused_calls()));
}

TEST(MeshKilled, TheAgentIsPutRightByTheNext) {
    sweep_strikes("killed agent", kills(Kept({}).count()), kept({}));
}

} // namespace
} // namespace scene
