#pragma once

#include "ip/mac.h"
#include "mesh/reconcile.h"
#include "json/field.h"

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace plugin {

/// The network configuration wants a version of the specification that this plugin does not know.
class VersionError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The nodes file is not there yet or is being replaced.
class NotReady : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The versions of the CNI specification that are served, oldest first.
const std::vector<std::string>& served_versions();

/// `cniVersion`, which is "0.1.0" where it is missing (specification 0.2.0). Throws VersionError,
/// json::FieldError.
std::string read_version(const json::Field& document);

/// What every verb needs: enough to find a pod's leavings, and no more, so that a
/// configuration that has become wrong does not keep pods from being deleted.
struct Identity {
    std::string network;
    std::filesystem::path state_dir;
    bool owns_mesh; ///< "nodes" are in the configuration: the plugin keeps the mesh, no agent does
};
/// Throws json::FieldError.
Identity read_identity(const json::Field& document);

/// Where the log goes, and how much of it.
struct LogSettings {
    std::string file; ///< empty: standard error
    std::string level = "info";
};
/// Throws json::FieldError.
LogSettings read_log(const json::Field& document);

/// The whole network configuration, checked.
struct Config {
    std::string cni_version;
    Identity identity;
    mesh::Settings settings;
    std::vector<mesh::Node> nodes;
    std::optional<std::string> node_name;
    json::Value dns;                    ///< as it goes into the result; null: none
    std::vector<ip::Address> requested; ///< addresses asked for by the runtime
    std::optional<ip::Mac> mac;         ///< likewise
    LogSettings log;
    std::vector<std::string> unknown_keys; ///< to be warned of
};

/// Throws json::FieldError and json::UnsupportedError, which name key, value and mend,
/// VersionError, NotReady.
Config read_config(const json::Field& document);

} // namespace plugin
