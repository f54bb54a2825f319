#pragma once

#include "agent/roster.h"
#include "json/field.h"

namespace agent {

// Annotations that overrule what the Node says of itself; lists have commas.
inline constexpr const char* addresses_annotation = "ipip-cni/addresses";
inline constexpr const char* endpoint_annotation = "ipip-cni/tunnel-addresses";
inline constexpr const char* pod_cidrs_annotation = "ipip-cni/pod-cidrs";

/// Reads a Node of Kubernetes: `metadata.name`, the annotations, `spec.podCIDRs` (or `podCIDR`),
/// the addresses of type InternalIP and the conditions Ready and NetworkUnavailable in `status`.
/// Nonsense in them makes a candidate that is `wrong`. Throws json::FieldError where there is
/// not even a name.
Candidate read_kube_node(const json::Field& object);

} // namespace agent
