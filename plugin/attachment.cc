#include "plugin/attachment.h"

namespace plugin {

ipam::Owner owner_of(const cni::Environment& environment, const Identity& identity) {
    return {identity.network, environment.container_id, environment.interface};
}

netlink::Netns open_pod(const cni::Environment& environment) {
    const auto refuse = [&](const std::string& why) {
        throw cni::EnvironmentError("CNI_NETNS: " + why +
                                    "; pass the path of the pod's network namespace");
    };
    try {
        auto pod = netlink::Netns::open(*environment.netns);
        if (pod == netlink::Netns::current())
            refuse('"' + *environment.netns + "\" is the host's own network namespace");
        return pod;
    } catch (const netlink::NotANamespace& error) {
        refuse(error.what());
        throw;
    }
}

} // namespace plugin
