#pragma once

#include "mesh/reconcile.h"
#include "json/field.h"

#include <cstddef>
#include <string>

namespace mesh {

/// With a peer's name it must fit a device's alias.
inline constexpr std::size_t longest_network = 50;

/// The keys of a network configuration that say what its mesh is like: mtu, ttl, ipMasq,
/// sourceCheck, topology, direct, encapsulation, fouPort. Throws json::FieldError, and
/// json::UnsupportedError for what is yet to come.
Settings read_settings(const json::Field& document, std::string network);

} // namespace mesh
