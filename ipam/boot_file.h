#pragma once

#include "ipam/store.h"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ipam {

/// The path of this boot's database in `directory`, named after the kernel's boot id; both are
/// made where missing, with the leases that `known` tells. What earlier boots left there goes with
/// the making. Throws StoreError, and what `known` throws.
///
/// Safe in parallel processes and when killed: the file gets its name when it is complete, and
/// keeps the name and its inode for the boot, unless rebuild() gives the name to another.
std::string boot_file(const std::filesystem::path& directory, const Store::Known& known = {});

/// Throws StoreError, with the mend, where others than root and this process's user own `directory`
/// or can write to it: they could give any address to anybody, or have root write elsewhere.
void require_private(const std::filesystem::path& directory);

/// Puts a database with those leases in the place of this boot's damaged one, in one step. Returns
/// the path under which that is kept, for people; none, and nothing is done, where another process
/// was first. What others go on to write into the damaged one throws DamagedStore. REQUIRES: no
/// lease is missing from `leases`, nor taken meanwhile. Throws StoreError.
std::optional<std::string> rebuild(const std::filesystem::path& directory,
                                   const DamagedStore& damage, const std::vector<Lease>& leases);

/// Whether `name` is that of such a database, of any boot, of a damaged one that is kept, or of one
/// in the making that was killed.
bool is_lease_file(std::string_view name);

} // namespace ipam
