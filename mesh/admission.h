#pragma once

#include "mesh/nodes.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace mesh {

/// The nodes that can be together, out of those that a cluster names one by one. Unlike a list that
/// somebody wrote, which is right or wrong as a whole, a cluster's nodes come and go by many
/// hands: one that clashes with another is left out, and does the others no harm.
///
/// This host comes first: it knows best what it bears. Then those who were admitted, until they
/// change or go, then those whose pod CIDRs the cluster has given out, and at last those that name
/// their own; each in the order of their names. So a node that takes another's address
/// or pod CIDR, by mistake or by malice, tears down no tunnel that was good; nor does one that
/// changes into something that cannot be: it stays what it was. Only one that the cluster has not
/// heard from for a while gives way: its address may be another machine's by now.
class Admission {
  public:
    /// `admitted` were so before, as a process that ended knew them.
    explicit Admission(const std::vector<Node>& admitted = {});

    struct Verdict {
        std::vector<Node> nodes;                    ///< by name
        std::map<std::string, std::string> refused; ///< node -> why, as it is now
    };

    struct Ballot {
        std::vector<Node> candidates; ///< each valid by itself (read_node), of a name of its own
        std::string self = {};        ///< this host's name; empty: not known
        std::set<std::string> silent = {}; ///< those not heard from, by name
        /// Those whose pod CIDRs are what somebody, the node itself perhaps, has written on them.
        std::set<std::string> annotated = {};
        /// Those that are there and make no node as they are.
        std::set<std::string> unusable = {};
    };
    Verdict decide(const Ballot& ballot);

  private:
    std::map<std::string, Node> admitted_;
};

} // namespace mesh
