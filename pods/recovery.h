#pragma once

#include "ipam/error.h"
#include "netlink/socket.h"

#include <filesystem>
#include <string>

namespace pods {

/// Makes the damaged lease store of `state_dir` anew from the pods' links: who holds an address
/// is in the alias of its link, the address in the host's route to it. Returns a line about it.
/// REQUIRES: no ADD is between its lease and its link. Throws ipam::StoreError, also where a link
/// does not tell whose it is or has no route: then nothing is changed; netlink::Error.
std::string recover_leases(netlink::Socket& host, const std::filesystem::path& state_dir,
                           const ipam::DamagedStore& damage);

} // namespace pods
