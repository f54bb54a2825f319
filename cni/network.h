#pragma once

#include "json/field.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace cni {

/// Letters, digits, '_', '.' and '-', a letter or digit first: specification section 1.
bool is_network_name(std::string_view name);

/// The key `name`: a network's name, no longer than `longest`. Throws json::FieldError.
std::string read_network(const json::Field& config, std::size_t longest);

} // namespace cni
