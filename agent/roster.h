#pragma once

#include "mesh/nodes.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace agent {

/// One of the cluster's nodes, as its source has it: a node of the mesh, or why it is none yet.
struct Candidate {
    std::string name;
    std::optional<mesh::Node> node = {};
    std::string waits_for = {};    ///< "has no pod CIDR yet"; empty where there is a node
    bool wrong = false;            ///< what it waits for is somebody's mend, and not only time
    bool silent = false;           ///< the cluster has not heard from it for a while
    bool annotated = false;        ///< its pod CIDRs are not the cluster's word
    std::string address_from = {}; ///< who says which address is its own, for people
    /// What its condition NetworkUnavailable says; none where it has none.
    std::optional<bool> network_available = {};

    bool operator==(const Candidate&) const = default;
};

/// What a source knows at a moment: each node once, each valid by itself.
using Roster = std::vector<Candidate>;

/// Takes a roster; called from the source's own thread.
using Deliver = std::function<void(Roster)>;

/// Where the nodes come from. Its thread runs from start() to its end.
class NodeSource {
  public:
    virtual ~NodeSource() = default;
    virtual void start(Deliver deliver) = 0;
};

} // namespace agent
