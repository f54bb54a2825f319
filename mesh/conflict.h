#pragma once

#include "ip/cidr.h"

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

// What keeps a mesh from being made.

namespace mesh {

/// Something that is not ours stands where the mesh must. what() names it and the mend.
class Conflict : public std::runtime_error {
  public:
    /// All of the mesh is concerned.
    explicit Conflict(const std::string& what) : std::runtime_error(what) {}

    /// What is in the way of single peers and not of the others.
    struct InTheWay {
        ip::Address remote;               ///< the peer on the underlay
        std::string what;                 ///< a sentence
        std::optional<ip::Cidr> pod_cidr; ///< only this one of the peer's is concerned
    };
    /// At least one.
    explicit Conflict(std::vector<InTheWay> obstacles);

    /// Empty where all of the mesh is concerned.
    const std::vector<InTheWay>& obstacles() const { return obstacles_; }

  private:
    std::vector<InTheWay> obstacles_;
};

/// This kernel has no ipip devices. what() says how it may get them.
class NoTunnels : public std::runtime_error {
  public:
    NoTunnels();
};

} // namespace mesh
