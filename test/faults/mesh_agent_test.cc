#include "mesh/stamp.h"
#include "test/faults/mesh_victim.h"
#include "test/faults/strikes.h"
#include "test/system/agent.h"

// The agent finds other nodes in its file: each system call that it makes until the mesh of them
// stands is refused in turn, or it is killed there.

namespace scene {
namespace {

using Mesh = MeshVictim::Mesh;

/// A host with an agent, whose nodes file changes to and fro.
class Kept {
  public:
    /// The agent's calls of these kinds are watched; all where there are none.
    explicit Kept(std::vector<int> watched) : watched_(std::move(watched)) {
        victim_.learn();
        write_nodes_file(nodes_file_, victim_.nodes(now_));
        start();
        EXPECT_TRUE(agent_->becomes_ready()) << agent_->log();
    }
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;
    ~Kept() { agent_.reset(); }

    /// Returns how often each call was made.
    std::map<int, int> count() {
        Verdict verdict;
        change({}, verdict);
        EXPECT_TRUE(verdict.is_survived()) << verdict.text();
        return counts_;
    }

    bool change(const Strike& fault, Verdict& verdict) {
        now_ = now_ == Mesh::plain ? Mesh::changed : Mesh::plain;
        const std::string before = finished();
        interception_->arm(fault);
        write_nodes_file(nodes_file_, victim_.nodes(now_));
        const auto stands = [&] { return !finished().empty() && finished() != before; };
        comes_true([&] { return agent_->has_ended() || stands(); });
        counts_ = interception_->counts();
        const bool hit = interception_->hit();
        interception_->arm({});
        if (hit && fault.error == 0)
            agent_->wait(); // it may have been as it was done
        const auto is_well = [&] {
            if (agent_->has_ended()) {
                verdict.require(fault.error == 0 || agent_->count("ipipd: ") == ++ends_,
                                "the agent ended without a reason: " + agent_->log());
                if (fault.number % 2 == 0)
                    require_service(verdict);
                start();
            }
            return stands() && agent_->page("/readyz").status == 200;
        };
        verdict.require(comes_true(is_well), "no mesh, or not ready: " + agent_->log());
        victim_.require_mesh(verdict, now_, "at last");
        return hit;
    }

  private:
    void start() {
        agent_.reset(); // before what it waits for
        interception_ = std::make_unique<Interception>(watched_);
        agent_ = std::make_unique<Agent>(
            victim_.host(),
            Words{"--nodes-file", nodes_file_.string(), "--ip-masq", "true", "--name", "podnet"},
            Words{}, [this] { interception_->begin(); });
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
    std::vector<int> watched_;
    std::filesystem::path nodes_file_ = victim_.host().folder() / "nodes";
    Mesh now_ = Mesh::plain;
    std::map<int, int> counts_;
    int ends_ = 0; ///< of agents that said why, in the log of all
    std::unique_ptr<Interception> interception_;
    std::unique_ptr<Agent> agent_;
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
