#pragma once

#include "test/faults/interception.h"
#include "test/faults/victim.h"
#include "test/system/agent.h"

#include <functional>
#include <memory>

namespace scene {

/// The agent of a host, at whose system calls somebody strikes, and the one that takes its place.
class StruckAgent {
  public:
    /// Starts one; its calls of these kinds are watched, all where there are none.
    StruckAgent(const Host& host, std::filesystem::path nodes_file, std::vector<int> watched);
    StruckAgent(const StruckAgent&) = delete;
    StruckAgent& operator=(const StruckAgent&) = delete;
    ~StruckAgent();

    const Agent& agent() const { return *agent_; }
    /// Starts another, in the place of the one that there is.
    void start_anew();
    /// The same without another.
    void stop();

    /// Does `act` while the strike is waited for, until `done` says so or the agent has ended.
    /// Returns whether it was met.
    bool strike(const Strike& strike, const std::function<void()>& act,
                const std::function<bool()>& done);
    /// The same of another, as soon as it confines itself, with which its own work begins.
    /// REQUIRES: stop(), and that SYS_seccomp is watched.
    bool strike_from_start(const Strike& strike, const std::function<bool()>& done);
    /// How often each call was made in that time.
    const std::map<int, int>& counts() const { return counts_; }

    /// Waits until the agent is ready and all is `well`. Where it has ended it must have said why,
    /// unless it was killed; then `without` is called, and another takes its place, which must not
    /// end.
    void require_well(Verdict& verdict, const Strike& strike, const std::function<bool()>& well,
                      const std::function<void()>& without);

  private:
    void start();
    bool watch(const Strike& strike, const std::function<bool()>& done);

    const Host& host_;
    std::filesystem::path nodes_file_;
    std::vector<int> watched_;
    std::map<int, int> counts_;
    int reasons_ = 0; ///< in the log of all
    std::unique_ptr<Interception> interception_;
    std::unique_ptr<Agent> agent_;
};

} // namespace scene
