#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace ipam {

/// The path of this boot's database in `directory`, named after the kernel's boot id; both are
/// made where missing. What earlier boots left there goes with the making. Throws StoreError.
///
/// Safe in parallel processes and when killed: the file gets its name when it is complete, and
/// keeps the name and its inode for the boot.
std::string boot_file(const std::filesystem::path& directory);

/// Whether `name` is that of such a database, of any boot, or of one in the making that was killed.
bool is_lease_file(std::string_view name);

} // namespace ipam
