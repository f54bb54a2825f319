#include "agent/health.h"

namespace agent {

std::string Condition::sentence() const {
    if (ready())
        return "ready";
    const std::string missing = !listed       ? "the nodes are not known yet"
                                : !self_known ? "this node is not in the mesh yet"
                                : !stands     ? "the tunnels do not stand"
                                              : "the plugin is not installed yet";
    return missing + (trouble.empty() ? "" : ": " + trouble);
}

} // namespace agent
