#pragma once

#include "test/system/cluster.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <sys/types.h>

namespace scene {

/// A program that runs on a host, in its namespace and with its own /run, from its start to its
/// end. Its output is added to a file.
class Process {
  public:
    /// `prepare` is called last in the new process before the program starts.
    Process(const Host& host, const Words& words, const std::filesystem::path& output,
            const std::function<void()>& prepare = {});
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    /// Ends it, the hard way where it does not end by itself.
    ~Process();

    pid_t pid() const { return pid_; }
    /// Sends it a signal and waits for its end; returns its exit status, 128 + the signal's number
    /// where one killed it.
    int stop(int signal);
    /// Waits for its end. None where it does not come.
    std::optional<int> wait();
    /// Whether it has ended by now.
    bool has_ended();

  private:
    pid_t pid_ = -1;
    std::optional<int> status_;
};

} // namespace scene
