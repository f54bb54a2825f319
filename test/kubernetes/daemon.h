#pragma once

#include "test/kernel/scene.h"

#include <chrono>
#include <filesystem>
#include <string>

namespace scene {

/// A program that runs beside the test, in the network namespace of the thread that starts it. It
/// ends with this object, and with that thread.
class Daemon {
  public:
    /// What it writes goes to the end of the file `log`.
    Daemon(const Program& program, const std::filesystem::path& log);
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    ~Daemon(); ///< SIGKILL

    int pid() const { return pid_; }

    /// Waits; returns whether it has ended within that time.
    bool ended(std::chrono::milliseconds patience = std::chrono::milliseconds(0));
    void signal(int number);
    /// Sends the signal and waits. Returns its exit status, or 128 + the signal's number. Throws
    /// std::runtime_error, with what it said last, where it does not end in time.
    int end(int number, std::chrono::seconds patience);
    /// How it ended, after that; the same number.
    int status() const { return status_; }
    /// The end of its log.
    std::string last_words() const;

  private:
    std::string name_;
    std::filesystem::path log_;
    int pid_;
    int fd_; ///< readable when it has ended
    int status_ = -1;
};

} // namespace scene
