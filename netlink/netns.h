#pragma once

#include "netlink/fd.h"
#include "netlink/socket.h"

#include <cstdint>
#include <stdexcept>
#include <string>

namespace netlink {

/// A path that should lead to a network namespace does not. what() names the path and why.
class NotANamespace : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A network namespace, held open: it lives at least as long as this.
class Netns {
  public:
    /// Throws NotANamespace where nothing is there or it is something else, Error where the
    /// kernel refuses.
    static Netns open(const std::string& path);

    /// The namespace of the calling thread.
    static Netns current();

    int fd() const { return fd_.get(); }

    /// A socket that speaks to this namespace, used from wherever the caller is.
    /// The thread enters the namespace and comes back within the call. Throws Error.
    Socket socket(int protocol = 0) const;

    /// "4:4026531840": device and inode, unique among the namespaces that exist.
    std::string identity() const;

    bool operator==(const Netns& other) const { return identity() == other.identity(); }

  private:
    explicit Netns(Fd fd) : fd_(std::move(fd)) {}

    Fd fd_;
};

} // namespace netlink
