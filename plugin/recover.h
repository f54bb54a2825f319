#pragma once

#include "ipam/error.h"

#include <filesystem>
#include <string>

namespace plugin {

/// pods::recover_leases(), while no pod of this host is being attached. Returns a line about it.
/// Throws as that, and std::system_error.
std::string recover_leases(const std::filesystem::path& state_dir,
                           const ipam::DamagedStore& damage);

} // namespace plugin
