#pragma once

#include "netlink/fd.h"

#include <filesystem>
#include <optional>

namespace mesh {

/// The file in the state directory by which the host's mesh is locked.
inline constexpr const char* lock_name = "mesh.lock";

/// What a lock of the mesh is for.
enum class Use {
    together, ///< it stays as it is, and many rely on that
    alone,    ///< it may change
};

/// Waits until the host's mesh may be used like that, and keeps it so for as long as the descriptor
/// lives. Who has it must not ask again: he may come to stand behind one who waits for him. Makes
/// the state directory where there is none. Throws std::system_error; ESTALE where the product was
/// uninstalled meanwhile.
netlink::Fd lock(const std::filesystem::path& state_dir, Use use);

/// The same, alone, for one who makes no mesh: none where there is no such file, because nobody has
/// used a mesh. Whoever waits in lock() meanwhile and then finds the file removed gets ESTALE.
/// Throws std::system_error.
std::optional<netlink::Fd> shut(const std::filesystem::path& state_dir);

} // namespace mesh
