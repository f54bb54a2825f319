#include "netlink/pod_link.h"
#include "plugin/names.h"
#include "plugin/retire.h"
#include "plugin/verbs.h"

namespace plugin {

void del(const Environment& environment, const Identity& identity) {
    netlink::Socket host;
    netlink::detach(
        host, host_link_name(identity.network, environment.container_id, environment.interface));
    // After the link: an address must not be given out again while its route still stands.
    ipam::Store store(identity.state_dir);
    store.release({identity.network, environment.container_id, environment.interface});
    retire_mesh_if_unused(identity, store);
}

} // namespace plugin
