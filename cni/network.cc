#include "cni/network.h"

#include <algorithm>
#include <cctype>

namespace cni {

bool is_network_name(std::string_view name) {
    const auto alphanumeric = [](unsigned char c) { return std::isalnum(c) != 0; };
    return !name.empty() && alphanumeric(static_cast<unsigned char>(name.front())) &&
           std::ranges::all_of(name, [&](unsigned char c) {
               return alphanumeric(c) || c == '_' || c == '.' || c == '-';
           });
}

std::string read_network(const json::Field& config, std::size_t longest) {
    const json::Field field = config.require("name", "give the network a name, such as \"podnet\"");
    const std::string& name = field.string();
    if (!is_network_name(name) || name.size() > longest)
        field.fail(field.shown() + " is not a network name; use at most " +
                   std::to_string(longest) +
                   " letters, digits, '_', '.' and '-', a letter or digit first");
    return name;
}

} // namespace cni
