#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

namespace cni {

// Not by streams: they bring all of libstdc++'s locales along, which make a plugin a sixth larger
// and each of its calls some 50 microseconds longer.

/// All that can still be read from a descriptor. None, and errno, where it cannot be read; EFBIG
/// where it is more than `most` bytes.
std::optional<std::string> read_all(int descriptor, std::size_t most);

/// All of a file; none where it cannot be read, as a directory cannot.
std::optional<std::string> read_file(const std::filesystem::path& path);

} // namespace cni
