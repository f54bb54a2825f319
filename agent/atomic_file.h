#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace agent {

/// Puts `content` at `path` in one step: whoever opens it finds the old or the new, whole, also
/// after a crash, and who runs or reads the old one goes on with it. A file that holds it already
/// is not touched. The directory is made where it is missing. Returns whether it changed anything.
/// Throws std::system_error.
bool put_file(const std::filesystem::path& path, std::string_view content, unsigned mode);

/// All of a file; none where there is no such file. Throws std::system_error.
std::optional<std::string> read_file(const std::filesystem::path& path);

} // namespace agent
