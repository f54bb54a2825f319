#pragma once

#include "json/field.h"

#include <cstddef>
#include <string>

namespace cni {

/// The key `name`: letters, digits, '_', '.' and '-', a letter or digit first (specification
/// section 1), and no longer than `longest`. Throws json::FieldError.
std::string read_network(const json::Field& config, std::size_t longest);

} // namespace cni
