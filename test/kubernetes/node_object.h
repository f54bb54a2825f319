#pragma once

#include "test/kernel/scene.h"

#include <optional>
#include <string>

namespace scene {

/// What a test chooses about a Node.
struct NodeSpec {
    std::string name;
    Words addresses = {}; ///< of type InternalIP
    Words pod_cidrs = {}; ///< none: as it is before a controller has given it some
    Json annotations = Json::object();
};

/// A Node as a cluster has it, of some 15 KiB: with labels, capacity, conditions and a list of 50
/// images, as the kubelet writes it.
Json node_object(const NodeSpec& spec);

} // namespace scene
