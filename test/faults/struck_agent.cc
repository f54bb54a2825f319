#include "test/faults/struck_agent.h"

#include <csignal>
#include <sys/syscall.h>

namespace scene {

StruckAgent::StruckAgent(const Host& host, std::filesystem::path nodes_file,
                         std::vector<int> watched)
    : host_(host), nodes_file_(std::move(nodes_file)), watched_(std::move(watched)) {
    start_anew();
}

StruckAgent::~StruckAgent() {
    agent_.reset(); // before what it waits for
}

void StruckAgent::stop() {
    if (agent_)
        agent_->stop(SIGKILL); // to be told to end takes it two seconds, and is not the matter
    agent_.reset();
    interception_ = std::make_unique<Interception>(watched_);
}

void StruckAgent::start_anew() {
    stop();
    start();
}

void StruckAgent::start() {
    agent_ = std::make_unique<Agent>(
        host_, Words{"--nodes-file", nodes_file_.string(), "--name", "podnet", "--ip-masq", "true"},
        Words{}, [this] { interception_->begin(); });
}

bool StruckAgent::strike(const Strike& strike, const std::function<void()>& act,
                         const std::function<bool()>& done) {
    interception_->arm(strike);
    act();
    return watch(strike, done);
}

bool StruckAgent::strike_from_start(const Strike& strike, const std::function<bool()>& done) {
    interception_->arm(strike, SYS_seccomp);
    start();
    return watch(strike, done);
}

bool StruckAgent::watch(const Strike& strike, const std::function<bool()>& done) {
    comes_true([&] { return agent_->has_ended() || done(); });
    counts_ = interception_->counts();
    const bool hit = interception_->hit();
    interception_->arm({});
    if (hit && strike.error == 0)
        agent_->wait(); // it may have been as it was done
    return hit;
}

void StruckAgent::require_well(Verdict& verdict, const Strike& strike,
                               const std::function<bool()>& well,
                               const std::function<void()>& without) {
    int ended = 0;
    const auto is_well = [&] {
        if (agent_->has_ended()) {
            verdict.require(strike.error == 0 || agent_->count("ipipd: ") == ++reasons_,
                            "the agent ended without a reason: " + agent_->log());
            verdict.require(++ended == 1, "the next one ended too: " + agent_->log());
            without();
            start_anew();
        }
        return agent_->page("/readyz").status == 200 && well();
    };
    verdict.require(comes_true(is_well), "not well, or not ready: " + agent_->log());
}

} // namespace scene
