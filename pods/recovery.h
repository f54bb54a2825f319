#pragma once

#include "ipam/error.h"
#include "ipam/store.h"
#include "netlink/socket.h"

#include <filesystem>
#include <set>
#include <string>
#include <utility>

namespace pods {

/// Links of pods do not tell whose they are, or have no route: their addresses would be given away.
/// what() names one and the mend. Nothing was changed.
class Untold : public ipam::StoreError {
  public:
    Untold(const std::string& what, std::set<std::string> links)
        : StoreError(what), links_(std::move(links)) {}

    /// The names of those links.
    const std::set<std::string>& links() const { return links_; }

  private:
    std::set<std::string> links_;
};

/// Opens the lease store of `state_dir`. Where there is none, though pods run, somebody has taken
/// it away: it begins with the leases that the pods' links tell of, as in recover_leases(). Throws
/// ipam::StoreError, Untold where a link does not tell; netlink::Error.
ipam::Store open_leases(netlink::Socket& host, const std::filesystem::path& state_dir);

/// Makes the damaged lease store of `state_dir` anew from the pods' links: who holds an address
/// is in the alias of its link, the address in the host's route to it. Returns a line about it.
/// REQUIRES: no ADD is between its lease and its link. Throws ipam::StoreError, Untold where a link
/// does not tell; netlink::Error.
std::string recover_leases(netlink::Socket& host, const std::filesystem::path& state_dir,
                           const ipam::DamagedStore& damage);

} // namespace pods
