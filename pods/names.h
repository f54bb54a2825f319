#pragma once

#include "cni/environment.h"
#include "ip/mac.h"
#include "ipam/store.h"
#include "netlink/link.h"

#include <optional>
#include <string>

namespace pods {

// What a pod's wiring is called is computed from the attachment alone, so that DEL finds it
// without any state.

/// The host end of the pod's link: "veth" and 11 hexadecimal digits.
std::string host_link_name(const ipam::Owner& owner);

enum class End { host, pod };

/// A locally administered address (IEEE 802-2014 section 8.4) for one end of the link. Being set,
/// it is left alone by those who would make up another, such as systemd-udevd.
ip::Mac link_mac(const ipam::Owner& owner, End end);

/// The host end's alias, for people, and for who must make the leases anew: "podnet: default/web-0
/// CONTAINER eth0", without the pod where the runtime does not name it or there is no room.
std::string host_link_alias(const std::string& network, const cni::Environment& environment);

/// Whose a host end is, as its alias tells and its name proves or, where someone gave it another,
/// its hardware address; none where the alias does not tell, as those of earlier versions do not.
std::optional<ipam::Owner> owner_of_host_link(const netlink::Link& link);

/// The network of which a device is the host end of a pod; none where it is not one that this
/// project made.
std::optional<std::string> network_of_host_link(const netlink::Link& link);

} // namespace pods
