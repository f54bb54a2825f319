#include "plugin/error.h"

#include "ipam_plugin/error.h"
#include "mesh/conflict.h"
#include "netlink/error.h"
#include "plugin/config.h"

#include <cerrno>
#include <system_error>

namespace plugin {

namespace {

enum Code : unsigned {
    try_again_later = 11,
    kernel_refused = 100,
    conflict = 103,
    no_tunnels = 104,
    already_attached = 105,
};

template <typename Exception>
bool is(const std::exception& exception) {
    return dynamic_cast<const Exception*>(&exception) != nullptr;
}

bool lacks_permission(const std::exception& exception) {
    const auto* system = dynamic_cast<const std::system_error*>(&exception);
    return system != nullptr &&
           (system->code().value() == EPERM || system->code().value() == EACCES);
}

} // namespace

cni::Error describe(const std::exception& exception) {
    cni::Error error = ipam_plugin::describe(exception);
    if (is<NotReady>(exception))
        error.code = try_again_later;
    if (is<mesh::Conflict>(exception))
        error.code = conflict;
    if (is<mesh::NoTunnels>(exception))
        error.code = no_tunnels;
    if (is<AlreadyAttached>(exception))
        error.code = already_attached;
    if (is<netlink::Error>(exception))
        error.code = kernel_refused;
    if (lacks_permission(exception))
        error.message += "; run the plugin as root, with CAP_NET_ADMIN and CAP_SYS_ADMIN";
    return error;
}

} // namespace plugin
