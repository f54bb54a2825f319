#include "plugin/error.h"

#include "ipam/store.h"
#include "mesh/plan.h"
#include "netlink/netns.h"
#include "plugin/config.h"
#include "plugin/environment.h"
#include "json/field.h"

#include <cerrno>
#include <system_error>

namespace plugin {

namespace {

enum Code : unsigned {
    incompatible_version = 1,
    unsupported_field = 2,
    invalid_environment = 4,
    io_failure = 5,
    cannot_decode = 6,
    invalid_config = 7,
    try_again_later = 11,
    internal = 99,
    kernel_refused = 100,
    exhausted = 101,
    unavailable = 102,
    conflict = 103,
    no_tunnels = 104,
    already_attached = 105,
};

template <typename Exception>
bool is(const std::exception& exception) {
    return dynamic_cast<const Exception*>(&exception) != nullptr;
}

unsigned code_of(const std::exception& exception) {
    if (is<VersionError>(exception))
        return incompatible_version;
    if (is<json::UnsupportedError>(exception)) // before FieldError, its base
        return unsupported_field;
    if (is<json::FieldError>(exception))
        return invalid_config;
    if (is<json::SyntaxError>(exception))
        return cannot_decode;
    if (is<EnvironmentError>(exception))
        return invalid_environment;
    if (is<NotReady>(exception))
        return try_again_later;
    if (is<ipam::Exhausted>(exception))
        return exhausted;
    if (is<ipam::Unavailable>(exception))
        return unavailable;
    if (is<mesh::Conflict>(exception))
        return conflict;
    if (is<mesh::NoTunnels>(exception))
        return no_tunnels;
    if (is<AlreadyAttached>(exception))
        return already_attached;
    if (is<netlink::Error>(exception)) // before system_error, its base
        return kernel_refused;
    if (is<ipam::StoreError>(exception) || is<std::system_error>(exception))
        return io_failure;
    return internal;
}

bool lacks_permission(const std::exception& exception) {
    const auto* system = dynamic_cast<const std::system_error*>(&exception);
    return system != nullptr &&
           (system->code().value() == EPERM || system->code().value() == EACCES);
}

} // namespace

CniError to_cni_error(const std::exception& exception) {
    std::string message = exception.what();
    if (lacks_permission(exception))
        message += "; run the plugin as root, with CAP_NET_ADMIN and CAP_SYS_ADMIN";
    return {code_of(exception), std::move(message)};
}

std::string to_json(const CniError& error, const std::string& version) {
    // A message may quote what came in, and that may be no UTF-8.
    return json::Value{{"cniVersion", version}, {"code", error.code}, {"msg", error.message}}.dump(
        4, ' ', false, json::Value::error_handler_t::replace);
}

} // namespace plugin
