#pragma once

#include "ipam/store.h"
#include "plugin/config.h"

namespace plugin {

/// Dismantles the mesh where this plugin keeps it (no agent does) and no pod of the network is
/// left on the host. Throws as mesh::retire does.
void retire_mesh_if_unused(const Identity& identity, const ipam::Store& store);

} // namespace plugin
