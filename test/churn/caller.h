#pragma once

#include "test/system/cluster.h"

#include <string>

namespace scene {

/// Calls the plugin hundreds of times a second: from inside of the host, so that neither a fork of
/// this process nor a mount is needed for each call. For one thread, inside of on().
class Caller {
  public:
    Caller();
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;
    ~Caller();

    /// Calls `act(caller)` on a thread that is in the host's network namespace and has its /run.
    template <typename Act>
    static void on(const Host& host, Act act) {
        host.net().in([&] {
            host.enter_own_run();
            Caller caller;
            act(caller);
        });
    }

    /// Of `call`, what has to do with how it is started is left aside.
    Output call(const Call& call);

  private:
    int in_;
    int out_;
    int err_;
};

} // namespace scene
