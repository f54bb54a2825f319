#include "test/faults/strikes.h"
#include "test/system/agent.h"

#include <csignal>
#include <fstream>

// Somebody damages what pods have of the host, and the agent puts it right: each system call that
// it makes meanwhile is refused in turn, or it is killed there.

namespace scene {
namespace {

namespace fs = std::filesystem;

enum class Damage { wiring, leases };

/// A host without peers, with an agent and two pods.
class Tended {
  public:
    /// The agent's calls of these kinds are watched; all where there are none.
    Tended(Damage damage, std::vector<int> watched)
        : damage_(damage), watched_(std::move(watched)) {
        write_nodes_file(nodes_file_, cluster_.nodes());
        start();
        if (!agent_->becomes_ready())
            throw std::runtime_error("the agent is not ready: " + agent_->log());
        config_ = agent_->config();
        for (const Pod& pod : pods_)
            results_.push_back(host_.add(pod, config_));
        before_ = host_.net().state();
        leases_ = leases_in(host_.state_dir());
    }
    Tended(const Tended&) = delete;
    Tended& operator=(const Tended&) = delete;
    ~Tended() { agent_.reset(); } // before what it waits for

    /// Returns how often each call was made.
    std::map<int, int> count() {
        Verdict verdict;
        befall({}, verdict);
        EXPECT_TRUE(verdict.is_survived()) << verdict.text();
        return counts_;
    }

    bool befall(const Strike& strike, Verdict& verdict) {
        start(); // one that repairs the same again and again would take that for a fight
        verdict.require(agent_->becomes_ready(), "no agent to begin with: " + agent_->log());
        interception_->arm(strike);
        do_damage();
        comes_true([&] { return agent_->has_ended() || is_mended(); });
        counts_ = interception_->counts();
        const bool hit = interception_->hit();
        interception_->arm({});
        if (hit && strike.error == 0)
            agent_->wait(); // it may have been as it was done
        int ended = 0;
        const auto is_well = [&] {
            if (agent_->has_ended()) {
                verdict.require(strike.error == 0 || agent_->count("ipipd: ") == ++ends_,
                                "the agent ended without a reason: " + agent_->log());
                verdict.require(++ended == 1, "the next one ended too: " + agent_->log());
                require_service(verdict, "without the agent");
                start();
            }
            return agent_->page("/readyz").status == 200 && is_mended();
        };
        verdict.require(comes_true(is_well), "not mended, or not ready: " + agent_->log());
        require_service(verdict, "at last");
        for (const Json& result : results_)
            verdict.require(reaches(host_.net(), address_of(result)),
                            "out of reach: " + address_of(result));
        return hit;
    }

  private:
    void start() {
        if (agent_)
            agent_->stop(SIGKILL); // to be told to end takes it two seconds, and is not the matter
        agent_.reset();
        interception_ = std::make_unique<Interception>(watched_);
        agent_ = std::make_unique<Agent>(
            host_,
            Words{"--nodes-file", nodes_file_.string(), "--name", "podnet", "--ip-masq", "true"},
            Words{}, [this] { interception_->begin(); });
    }

    fs::path lease_file() const {
        for (const auto& entry : fs::directory_iterator(host_.state_dir()))
            if (entry.path().extension() == ".mdb")
                return entry.path();
        throw std::runtime_error("there is no lease file");
    }

    void do_damage() const {
        if (damage_ == Damage::leases) {
            std::ofstream(lease_file(), std::ios::trunc) << std::string(10'000, 'x');
            host_.net().ip("route delete unreachable 10.10.100.0/24 metric 4096\n"); // has it look
        } else {
            const std::string link = results_[0].at("interfaces").at(0).at("name");
            host_.net().ip("link set " + link + " down\n" + "route delete " +
                           address_of(results_[1]) + '\n');
        }
    }

    bool is_mended() const {
        try {
            return is_unchanged(host_.net(), before_) && leases_in(host_.state_dir()) == leases_;
        } catch (const std::exception&) { // the leases are damaged still
            return false;
        }
    }

    /// A pod comes and goes, and has an address of its own.
    void require_service(Verdict& verdict, const std::string& when) const {
        const Pod pod("another");
        const Call call{
            .verb = "ADD", .config = config_, .container = pod.id, .netns = pod.net.path()};
        const Output output = host_.call(call);
        verdict.require(output.status == 0, "ADD " + when + ": " + output.out);
        if (output.status != 0)
            return;
        const std::string address = address_of(Json::parse(output.out));
        verdict.require(!leases_.contains(address), "given twice " + when + ": " + address);
        host_.del(pod, config_);
    }

    Damage damage_;
    std::vector<int> watched_;
    Cluster cluster_{1};
    Host& host_ = cluster_.host(1);
    fs::path nodes_file_ = host_.folder() / "nodes";
    std::array<Pod, 2> pods_{Pod{"one"}, Pod{"two"}};
    std::string config_;
    std::vector<Json> results_; ///< of the pods' ADDs
    Json before_;               ///< the host's kernel
    Leases leases_;
    std::map<int, int> counts_;
    int ends_ = 0; ///< of agents that said why, in the log of all
    std::unique_ptr<Interception> interception_;
    std::unique_ptr<Agent> agent_;
};

StrikeScene tended(Damage damage, const std::vector<int>& watched) {
    return [=]() -> StrikeCase {
        const auto host = std::make_shared<Tended>(damage, watched);
        return [host](const Strike& strike, Verdict& verdict) {
            return host->befall(strike, verdict);
        };
    };
}

void refuse(Damage damage, const std::string& campaign) {
    sweep_strikes(campaign, refusals(Tended(damage, refused_calls()).count()),
                  tended(damage, refused_calls()));
}

void kill(Damage damage, const std::string& campaign) {
    sweep_strikes(campaign, kills(Tended(damage, {}).count()), tended(damage, {}));
}

TEST(RefusedAgent, MendsPodsAllTheSame) {
    refuse(Damage::wiring, "a request of the agent that mends pods refused");
}

TEST(RefusedAgent, MakesLeasesAnewAllTheSame) {
    refuse(Damage::leases, "a request of the agent that makes leases anew refused");
}

TEST(KilledAgent, LeavesPodsToTheNext) {
    kill(Damage::wiring, "killed agent that mends pods");
}

TEST(KilledAgent, LeavesLeasesToTheNext) {
    kill(Damage::leases, "killed agent that makes leases anew");
}

} // namespace
} // namespace scene
