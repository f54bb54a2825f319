#pragma once

#include "cni/host_files.h"

#include <filesystem>
#include <iosfwd>

namespace ctl {

struct UninstallOptions {
    std::filesystem::path state_dir = cni::default_state_dir;
    std::filesystem::path cni_bin_dir = cni::default_cni_bin_dir;
    std::filesystem::path cni_conf_dir = cni::default_cni_conf_dir;
    std::filesystem::path etc_dir = "/etc"; ///< where network managers find their drop-ins
    bool dry_run = false;                   ///< only tell what would go
};

/// Takes away from this host what the project made, and nothing else, in an order in which nothing
/// of it comes back meanwhile: the network configurations, by which new pods come; then, when the
/// pods in the making are done, the pods' links; the mesh; leases and state, here and where the
/// configurations say that they are; the drop-ins; the programs. Unknown files in the state
/// directory stay, and are named. A link whose ADD was killed before it gave it an alias cannot be
/// told from others' and stays too; it goes with its pod.
///
/// Tells of each thing as Removal does, and goes on after a failure. Refuses to begin while ipipd
/// runs, which would bring it all back. Returns the exit status: 0, also where nothing was left to
/// do, or 1. Throws std::runtime_error where it cannot find out whether ipipd runs.
int uninstall(const UninstallOptions& options, std::ostream& out, std::ostream& err);

} // namespace ctl
