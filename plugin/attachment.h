#pragma once

#include "cni/environment.h"
#include "ipam/store.h"
#include "netlink/netns.h"
#include "plugin/config.h"

namespace plugin {

/// Who holds the addresses of the attachment that `environment` names.
ipam::Owner owner_of(const cni::Environment& environment, const Identity& identity);

/// The pod's network namespace. Throws cni::EnvironmentError where it is none or the host's own.
netlink::Netns open_pod(const cni::Environment& environment);

} // namespace plugin
