#pragma once

#include "agent/options.h"

#include <filesystem>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace agent {

/// What runtimes and the host's network managers find on this host: the programs, the network
/// configuration list and the drop-ins. Each file is put in its place in one step, and not touched
/// where it is right already.
class Installation {
  public:
    explicit Installation(const Options& options) : options_(options) {}

    /// Puts programs and list in their places, the list last: it has the runtime call the programs.
    /// Cheap where nothing changed. Returns a line for each file that was. Throws
    /// std::system_error.
    std::vector<std::string> complete();

    /// Puts the drop-ins in their places. Pods start without. As complete().
    std::vector<std::string> tell_network_managers();

    /// The files that runtimes would take instead of the list, since they take the first by name.
    std::vector<std::string> rivals() const;

  private:
    using State = std::tuple<dev_t, ino_t, off_t, time_t, long>;
    static State state_of(const std::filesystem::path& path);
    bool copy(const std::filesystem::path& from, const std::filesystem::path& to);
    std::string conflist() const;

    const Options& options_;
    /// Of each program that was compared: what it and its source were then.
    std::map<std::string, std::pair<State, State>> compared_;
};

} // namespace agent
