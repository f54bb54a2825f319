#include "cni/network.h"

#include <algorithm>
#include <cctype>

namespace cni {

std::string read_network(const json::Field& config, std::size_t longest) {
    const json::Field field = config.require("name", "give the network a name, such as \"podnet\"");
    const std::string& name = field.string();
    const auto alphanumeric = [](char c) { return std::isalnum(static_cast<unsigned char>(c)); };
    const bool clean = std::ranges::all_of(
        name, [&](char c) { return alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
    if (name.empty() || !clean || !alphanumeric(name.front()) || name.size() > longest)
        field.fail(field.shown() + " is not a network name; use at most " +
                   std::to_string(longest) +
                   " letters, digits, '_', '.' and '-', a letter or digit first");
    return name;
}

} // namespace cni
