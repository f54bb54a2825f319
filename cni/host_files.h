#pragma once

#include <array>
#include <string_view>

namespace cni {

// The files that the project keeps on a host, by name: what ipipd installs there, `ipipctl
// uninstall` takes away again. Those that the rooms ipam and mesh keep in the state directory
// are theirs to tell: ipam::is_lease_file, mesh::is_mesh_file.

inline constexpr const char* default_cni_bin_dir = "/opt/cni/bin";
inline constexpr const char* default_cni_conf_dir = "/etc/cni/net.d";
inline constexpr const char* default_state_dir = "/run/ipip-cni";

/// The network configuration list, in the directory where runtimes find those.
inline constexpr const char* conflist_name = "10-ipip.conflist";

/// The programs, in the directory where runtimes find plugins.
inline constexpr std::array<const char*, 3> programs{"ipip", "ipip-ipam", "ipipctl"};

/// They keep systemd-networkd and NetworkManager from managing our devices. Of systemd-networkd's
/// files that match a device the first by name counts, and administrators' begin with "10-".
inline constexpr const char* networkd_network_file = "/etc/systemd/network/00-ipip-cni.network";
inline constexpr const char* network_manager_file = "/etc/NetworkManager/conf.d/ipip-cni.conf";
inline constexpr std::array<const char*, 2> drop_ins{networkd_network_file, network_manager_file};

// In the state directory.
inline constexpr const char* nodes_file_name = "nodes.json";
/// Locked (flock(2), exclusive) by ipipd for as long as it runs.
inline constexpr const char* agent_lock_name = "ipipd.lock";

/// Whether `name` is that of a draft that was to become the file `target` and was left by a
/// process that was killed: the installer writes ".TARGET.XXXXXX", as mkstemp(3) fills it in, and
/// renames it when it is whole.
bool is_draft_of(std::string_view target, std::string_view name);

} // namespace cni
