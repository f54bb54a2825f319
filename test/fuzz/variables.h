#pragma once

#include "test/fuzz/expect.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

// The CNI_ variables of one run: as cni::read_environment() takes no more than a function, they are
// of the process.

inline constexpr std::array variable_names{"CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME",
                                           "CNI_NETNS",   "CNI_ARGS",        "CNI_PATH"};
inline std::array<std::string, variable_names.size()> variables;

/// Takes their values off the front of `data`, each up to a NUL; "unset" is none.
inline void take_variables(std::string_view& data) {
    for (std::string& value : variables) {
        value = data.substr(0, data.find('\0'));
        data.remove_prefix(std::min(data.size(), value.size() + 1));
    }
}

/// As getenv(3).
inline const char* get_variable(const char* name) {
    const auto found = std::ranges::find(variable_names, std::string_view(name));
    expect(found != variable_names.end(), "the variable is one of CNI's");
    const std::string& value = variables[static_cast<std::size_t>(found - variable_names.begin())];
    return value == "unset" ? nullptr : value.c_str();
}
