#pragma once

#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace scene {

/// What befalls a program at one of its system calls.
struct Strike {
    static constexpr int any = -1;

    int call = any; ///< SYS_...
    int error = 0;  ///< the errno that it fails with; 0: whoever makes it is killed
    int number = 0; ///< which of them, from 1; 0: none
};

/// Stands between one program, its threads and its children, and the kernel: seccomp(2) asks here
/// what is to become of a call. It does what strace's injection does without a second program,
/// which in an emulated machine would take longer to start than the one that it watches; and it can
/// begin in the middle of a program's life.
class Interception {
  public:
    /// Of these calls (SYS_...); of all where there are none.
    explicit Interception(std::vector<int> calls = {});
    Interception(const Interception&) = delete;
    Interception& operator=(const Interception&) = delete;
    /// Waits for the end of the program and of all that it started.
    ~Interception();

    /// To be called in the program's process, as the last before it starts. Throws
    /// std::system_error.
    void begin() const;

    /// Counts from now on, or from the next call of the kind `after`, and strikes there.
    void arm(const Strike& strike, int after = Strike::any);
    bool hit() const;
    /// How often each call was made since then.
    std::map<int, int> counts() const;

  private:
    void watch();
    /// Returns the errno for the call, 0 where it goes on; -1 where it is to be killed.
    int decide(int call);

    std::vector<int> calls_;
    int out_ = -1; ///< the pipe by which the program's process tells who it is
    int in_ = -1;
    mutable std::mutex mutex_;
    Strike strike_;
    int after_ = Strike::any; ///< the call that is waited for yet
    int seen_ = 0;
    bool hit_ = false;
    std::map<int, int> counts_;
    std::thread watcher_;
};

} // namespace scene
