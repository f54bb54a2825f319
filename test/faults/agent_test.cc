#include "cni/host_files.h"
#include "test/faults/strikes.h"
#include "test/faults/struck_agent.h"

#include <array>
#include <fstream>
#include <sys/syscall.h>

// Somebody damages what pods have of the host, and the agent puts it right, or does so as it
// starts: each system call that it makes meanwhile is refused in turn, or it is killed there.

namespace scene {
namespace {

namespace fs = std::filesystem;

enum class Damage { wiring, leases, before_start };

/// A host without peers, with an agent and two pods.
class Tended {
  public:
    /// The agent's calls of these kinds are watched; all where there are none.
    Tended(Damage damage, std::vector<int> watched)
        : damage_(damage), agent_(host_, nodes_file(), std::move(watched)) {
        if (!agent_.agent().becomes_ready())
            throw std::runtime_error("the agent is not ready: " + agent_.agent().log());
        config_ = agent_.agent().config();
        for (const Pod& pod : pods_)
            results_.push_back(host_.add(pod, config_));
        before_ = host_.net().state();
        leases_ = leases_in(host_.state_dir());
    }

    /// Returns how often each call was made.
    std::map<int, int> count() {
        Verdict verdict;
        befall({}, verdict);
        EXPECT_TRUE(verdict.is_survived()) << verdict.text();
        return agent_.counts();
    }

    bool befall(const Strike& strike, Verdict& verdict) {
        const auto mended = [&] { return is_mended(); };
        const bool hit = damage_ == Damage::before_start
                             ? strike_from_start(strike)
                             : strike_in_service(strike, verdict, mended);
        agent_.require_well(verdict, strike, mended,
                            [&] { require_service(verdict, "without the agent"); });
        require_service(verdict, "at last");
        for (const Json& result : results_)
            verdict.require(reaches(host_.net(), address_of(result)),
                            "out of reach: " + address_of(result));
        return hit;
    }

  private:
    bool strike_in_service(const Strike& strike, Verdict& verdict,
                           const std::function<bool()>& mended) {
        agent_.start_anew(); // one that repairs the same again and again takes that for a fight
        verdict.require(agent_.agent().becomes_ready(), "no agent: " + agent_.agent().log());
        return agent_.strike(
            strike, [&] { do_damage(); }, mended);
    }

    bool strike_from_start(const Strike& strike) {
        const fs::path list = agent_.agent().conf_dir() / cni::conflist_name;
        agent_.stop();
        fs::remove(list);
        do_damage();
        return agent_.strike_from_start(strike, [&] { return fs::exists(list) && is_mended(); });
    }

    fs::path nodes_file() const {
        fs::path file = host_.folder() / "nodes";
        write_nodes_file(file, cluster_.nodes());
        return file;
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
            const std::string link = link_of(results_[0]);
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
    Cluster cluster_{1};
    Host& host_ = cluster_.host(1);
    StruckAgent agent_;
    std::array<Pod, 2> pods_{Pod{"one"}, Pod{"two"}};
    std::string config_;
    std::vector<Json> results_; ///< of the pods' ADDs
    Json before_;               ///< the host's kernel
    Leases leases_;
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
    std::vector<int> watched = refused_calls();
    watched.push_back(SYS_seccomp);
    sweep_strikes(campaign, refusals(Tended(damage, watched).count()), tended(damage, watched));
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

TEST(RefusedAgent, StartsAllTheSameOrSaysWhyNot) {
    refuse(Damage::before_start, "a request of the agent that starts refused");
}

TEST(KilledAgent, LeavesItsStartToTheNext) {
    kill(Damage::before_start, "killed agent that starts");
}

TEST(KilledAgent, LeavesPodsToTheNext) {
    kill(Damage::wiring, "killed agent that mends pods");
}

TEST(KilledAgent, LeavesLeasesToTheNext) {
    kill(Damage::leases, "killed agent that makes leases anew");
}

} // namespace
} // namespace scene
