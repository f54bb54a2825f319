#pragma once

#include "agent/roster.h"
#include "netlink/fd.h"

#include <mutex>
#include <optional>

namespace agent {

/// The last roster that a source delivered, handed from its thread to the one that keeps the mesh.
class Mailbox {
  public:
    Mailbox();
    void put(Roster roster);
    /// None where nothing new has come.
    std::optional<Roster> take();
    /// To be polled for input.
    int fd() const { return event_.get(); }

  private:
    netlink::Fd event_;
    std::mutex mutex_;
    std::optional<Roster> roster_;
};

} // namespace agent
