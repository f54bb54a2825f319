#pragma once

#include <chrono>

namespace agent {

/// Tells a thread that waits to come to its end.
class Interrupt {
  public:
    Interrupt();
    ~Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;

    /// For good: whoever waits, or comes to wait, goes on at once.
    void interrupt();
    /// Waits so long, or until interrupt(); false then.
    bool sleep(std::chrono::milliseconds time) const;
    enum class Found { nothing, input, interrupted };
    /// Waits for input of `other`, so long at most, or until interrupt().
    Found wait_for(int other, std::chrono::milliseconds time) const;
    /// To be polled for input.
    int fd() const { return fd_; }

  private:
    int fd_;
};

} // namespace agent
