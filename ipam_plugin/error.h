#pragma once

#include "cni/error.h"

namespace ipam_plugin {

/// Code and message of what allocating an address can meet, and of what cni::code_of knows. Ours:
/// 101 no address is free, 102 the address that was asked for cannot be had.
cni::Error describe(const std::exception& exception);

} // namespace ipam_plugin
