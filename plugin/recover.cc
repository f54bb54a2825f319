#include "plugin/recover.h"

#include "mesh/lock.h"
#include "pods/recovery.h"

namespace plugin {

std::string recover_leases(const std::filesystem::path& state_dir,
                           const ipam::DamagedStore& damage) {
    const auto no_adds = mesh::shut(state_dir);
    netlink::Socket host;
    return pods::recover_leases(host, state_dir, damage);
}

} // namespace plugin
