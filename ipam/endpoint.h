#pragma once

#include "ip/cidr.h"

#include <optional>
#include <span>

namespace ipam {

/// The tunnel endpoint of a node that names none: the first usable address of the first of its
/// pod CIDRs of the family, so that every node computes the same one without asking anyone.
/// None where the node has no CIDR of that family. Throws as usable() where that first one is too
/// small for an address.
std::optional<ip::Address> endpoint(std::span<const ip::Cidr> pod_cidrs, ip::Family family);

} // namespace ipam
