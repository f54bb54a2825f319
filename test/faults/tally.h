#pragma once

#include <map>
#include <mutex>
#include <string>

namespace scene {

/// How many cases each campaign had, and how many of them were survived. From any thread.
class Tally {
  public:
    /// That of all tests of this program.
    static Tally& of_all();

    void add(const std::string& campaign, bool survived);
    /// A line for each campaign, in order of their names, and one for all.
    std::string table() const;

  private:
    struct Count {
        int cases = 0;
        int survived = 0;
    };

    mutable std::mutex mutex_;
    std::map<std::string, Count> counts_;
};

} // namespace scene
