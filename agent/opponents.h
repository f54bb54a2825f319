#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace agent {

/// Knows a fight when there is one: someone who undoes our repairs again and again, against whom
/// more of them help nobody.
class Opponents {
  public:
    using Clock = std::chrono::steady_clock;

    /// These processes changed something at that time.
    void suspect(const std::set<int>& processes, Clock::time_point now);

    /// These things, each by its description, had to be repaired at that time. Returns who it is
    /// that we fight with over one of them, in words, where it has become a fight.
    std::optional<std::string> note_repair(const std::vector<std::string>& things,
                                           Clock::time_point now);

  private:
    std::map<std::string, std::deque<Clock::time_point>> repairs_;
    struct Suspect {
        std::string description;
        Clock::time_point seen;
    };
    std::vector<Suspect> suspects_; ///< the latest last
};

} // namespace agent
