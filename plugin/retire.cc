#include "plugin/retire.h"

#include "cni/log.h"
#include "mesh/standing.h"

namespace plugin {

void retire_mesh_if_unused(const Identity& identity, const ipam::Store& store) {
    if (!identity.owns_mesh)
        return;
    const auto unused = [&] { return store.empty(identity.network); };
    if (!unused()) // asked once more under the lock, where the answer lasts
        return;
    netlink::Socket route;
    for (const std::string& line :
         mesh::retire(route, identity.network, identity.state_dir, unused))
        cni::log_info(line);
}

} // namespace plugin
