#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ctl {

/// A network configuration of which ipip is the main plugin: the first of the list, or the only
/// one.
struct Configuration {
    std::string network;                            ///< empty where it does not say
    std::optional<std::filesystem::path> state_dir; ///< where it says so
    std::filesystem::path file = {};
};

/// None for one of another plugin, also where ipip comes behind it, and for what is none at all.
std::optional<Configuration> read_configuration(std::string_view text);

/// Those in a directory, by name, that a runtime would take: *.conflist, *.conf and *.json. A
/// directory that is missing has none. Throws std::filesystem::filesystem_error where it cannot be
/// read.
std::vector<Configuration> find_configurations(const std::filesystem::path& directory);

} // namespace ctl
