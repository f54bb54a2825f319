#pragma once

#include "mesh/nodes.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mesh {

/// This boot and this network namespace: what the kernel holds belongs to both. As Stamp::host has
/// it. Throws netlink::Error.
std::string host_identity();

/// What the last reconciliation of this host left behind, so that the next caller need not look at
/// every tunnel: a file in the state directory, one for the host's one mesh.
struct Stamp {
    std::string network;
    std::string fingerprint; ///< of everything that the mesh was made from
    std::string host;        ///< boot and network namespace in which it holds
    Node self;
    std::uint32_t pod_mtu = 0;
    std::vector<std::string> forwarding_turned_on;
    bool doubted = false; ///< the kernel was seen to have something else: it must be looked at
};

/// None where there is no stamp or none that can be read: then the mesh is looked at anew. One of a
/// later version, with keys that this one does not know, is doubted.
std::optional<Stamp> read_stamp(const std::filesystem::path& state_dir);

/// Replaces the stamp in one step. Throws std::system_error.
void write_stamp(const std::filesystem::path& state_dir, const Stamp& stamp);

/// Without them no stamp's mesh is taken to stand; to remove them needs no room, unlike to write
/// another stamp. Throws std::system_error.
void remove_ways(const std::filesystem::path& state_dir);

/// Throws std::system_error; no stamp is no error.
void remove_stamp(const std::filesystem::path& state_dir);

/// Leaves the peers' pod CIDRs beside the stamp, so that a few of many can be looked at without
/// reading all: lines of one length. Throws std::system_error.
void write_ways(const std::filesystem::path& state_dir, const std::vector<ip::Cidr>& ways);

/// Of what write_ways left, at most `most`: those from the one number `seed` on, round and round.
/// None where that cannot be read: then nothing is known of any peer.
std::optional<std::vector<ip::Cidr>> read_ways(const std::filesystem::path& state_dir,
                                               std::uint64_t seed, std::size_t most);

/// The stamp's file in the state directory.
inline constexpr const char* stamp_name = "mesh.stamp";
/// The file of the peers' pod CIDRs.
inline constexpr const char* ways_name = "mesh.ways";

/// Whether `name` is that of a file that this room keeps in the state directory.
bool is_mesh_file(std::string_view name);

} // namespace mesh
