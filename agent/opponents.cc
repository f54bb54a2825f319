#include "agent/opponents.h"

#include <fstream>
#include <iterator>

namespace agent {

namespace {

// As many repairs in so much time are a fight.
constexpr std::size_t many = 6;
constexpr std::chrono::seconds window{20};
constexpr std::size_t most_suspects = 5;

/// "NetworkManager (process 812)"; the name only while it runs and can be seen from here.
std::string describe(int process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/comm");
    std::string name;
    std::getline(file, name);
    const std::string number = "process " + std::to_string(process);
    return name.empty() ? number : name + " (" + number + ')';
}

} // namespace

void Opponents::suspect(const std::set<int>& processes, Clock::time_point now) {
    for (const int process : processes) {
        const std::string description = describe(process);
        std::erase_if(suspects_, [&](const Suspect& suspect) {
            return suspect.description == description || now - suspect.seen > window;
        });
        if (suspects_.size() == most_suspects)
            suspects_.erase(suspects_.begin());
        suspects_.push_back({description, now});
    }
}

std::optional<std::string> Opponents::note_repair(const std::vector<std::string>& things,
                                                  Clock::time_point now) {
    for (const std::string& thing : things)
        repairs_[thing].push_back(now);
    bool fight = false;
    for (auto at = repairs_.begin(); at != repairs_.end();) {
        std::deque<Clock::time_point>& times = at->second;
        while (!times.empty() && now - times.front() > window)
            times.pop_front();
        fight = fight || times.size() >= many;
        at = times.empty() ? repairs_.erase(at) : std::next(at);
    }
    if (!fight)
        return std::nullopt;
    std::string names;
    for (const Suspect& suspect : suspects_)
        if (now - suspect.seen <= window)
            names += (names.empty() ? "" : ", ") + suspect.description;
    suspects_.clear();
    return names.empty() ? "something unknown; find it with ip monitor" : names;
}

} // namespace agent
