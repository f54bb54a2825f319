#include "mesh/conflict.h"

#include <utility>

namespace mesh {

Conflict::Conflict(std::vector<InTheWay> obstacles)
    : std::runtime_error(obstacles.front().what +
                         (obstacles.size() == 1
                              ? ""
                              : "; and " + std::to_string(obstacles.size() - 1) + " more such")),
      obstacles_(std::move(obstacles)) {}

NoTunnels::NoTunnels()
    : std::runtime_error("this kernel has no ipip tunnels, and its module could not be loaded; "
                         "load it (modprobe ipip) or boot a kernel that has it") {}

} // namespace mesh
