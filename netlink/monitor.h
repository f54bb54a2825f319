#pragma once

#include "netlink/fd.h"

#include <set>

struct nlmsghdr;

namespace netlink {

/// Hears what is changed in the calling thread's network namespace, by whomever: links, IPv4
/// addresses and routes, forwarding, and our table of nftables. What is a pod's business alone,
/// that its link comes or goes and its host route comes, is not told, so that a pod wakes nobody
/// up; that its link is down and stays is.
///
/// It says that something changed, and not what: whoever hears it looks for himself, and so
/// misses nothing when the kernel had more to say than the socket could hold.
class Monitor {
  public:
    /// Throws Error.
    Monitor();

    /// To be polled for input.
    int route_fd() const { return route_.get(); }
    /// Negative where the kernel has no nftables, which poll(2) passes over.
    int nftables_fd() const { return nftables_.get(); }

    struct News {
        bool any = false; ///< of what concerns more than a pod
        /// Which processes did it, as far as their netlink ports tell, in their own numbering;
        /// this one and the kernel are left out.
        std::set<int> processes = {};
    };
    /// Reads all that has come. Throws Error.
    News take();

  private:
    void read(int fd, bool (Monitor::*concerns)(nlmsghdr*), News& news);
    /// Throws Error.
    void find_links();
    /// The same, unless it cannot be done now.
    void note_links();
    bool concerns_mesh(nlmsghdr* header);
    bool concerns_rules(nlmsghdr* header);

    Fd route_;
    Fd nftables_;
    std::set<int> links_;  ///< the indices of all devices but pods'
    std::set<int> downed_; ///< those of pods' that someone has just taken down, or is deleting
};

} // namespace netlink
