#pragma once

#include "cni/run.h"
#include "ipam/store.h"
#include "netlink/socket.h"
#include "plugin/config.h"

#include <optional>
#include <set>
#include <string>

namespace plugin {

/// What a verb opens on its host; see cni::run_and_exit() for why it does not close it.
struct Host {
    std::optional<netlink::Socket> route;
    std::optional<ipam::Store> store;
};

/// Attaches the pod: its document goes to standard output. What it throws leaves nothing behind.
json::Value add(Host& here, const cni::Call& call, Config config);

/// Takes away all that ADD made, or what is left of it: no namespace, no agent and no result
/// of the ADD is needed, and nothing left to do is no error.
void del(Host& here, const cni::Call& call, const Identity& identity);

/// Deletes the pod's link on the host where it is one of these, and nothing else. Returns whether
/// it was.
bool del_link_among(const std::set<std::string>& links, const cni::Call& call,
                    const Identity& identity);

/// Compares the kernel and the leases with what ADD and the plugins behind it made. Throws
/// cni::Failure with the first thing that is wrong; what a later plugin may change is let be.
void check(Host& here, const cni::Call& call, const Config& config);

/// Takes away what belongs to attachments of this network that are not among the valid ones. Goes
/// on after a failure, and throws them all together.
void gc(Host& here, const cni::Call& call, const Identity& identity);

/// Throws cni::Failure: not_available where an ADD could not succeed, limited_connectivity where
/// existing pods are cut off too.
void status(Host& here, const cni::Call& call, const Config& config);

} // namespace plugin
