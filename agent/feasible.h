#pragma once

#include "mesh/conflict.h"
#include "mesh/nodes.h"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace agent {

/// The nodes that the cluster wants, as far as this host can have them: where something that is not
/// ours stands in the place of a node's tunnel or route, the others are had all the same.
class Feasible {
  public:
    using Clock = std::chrono::steady_clock;

    /// All that is wanted from now on, by name; returns whether nodes() are others now.
    bool want(std::vector<mesh::Node> nodes);

    /// By name.
    const std::vector<mesh::Node>& nodes() const { return nodes_; }
    /// How many are wanted, also those that are not had at all.
    std::size_t wanted() const;
    /// As they are wanted, those that are not had so.
    std::vector<mesh::Node> left_out() const;

    /// Goes on without what the conflict is about, and returns a line for each. A node loses one
    /// of its pod CIDRs or, where its endpoint is in it or the device is concerned, is not had at
    /// all. Changes nothing where no peer would be left, or all of the mesh is concerned.
    std::vector<std::string> leave_out(const mesh::Conflict& conflict, Clock::time_point now);

    /// Wants all again some minutes after the first was left out, as nobody tells when what was in
    /// the way has gone. Returns whether nodes() are others now.
    bool try_again(Clock::time_point now);

  private:
    struct LeftOut {
        mesh::Node wanted;
        std::optional<mesh::Node> had;
    };
    std::vector<mesh::Node> all() const;

    std::vector<mesh::Node> nodes_;
    std::vector<LeftOut> left_out_;
    Clock::time_point since_; ///< the first of them is left out
};

} // namespace agent
