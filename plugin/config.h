#pragma once

#include "cni/log.h"
#include "cni/result.h"
#include "cni/run.h"
#include "ip/mac.h"
#include "ipam_plugin/config.h"
#include "mesh/cluster.h"
#include "mesh/reconcile.h"
#include "json/field.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace plugin {

/// The nodes file is not there yet or is being replaced.
class NotReady : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// What every verb needs: enough to find a pod's leavings, and no more, so that a
/// configuration that has become wrong does not keep pods from being deleted.
struct Identity {
    std::string network;
    std::filesystem::path state_dir;
    bool owns_mesh; ///< "nodes" are in the configuration: the plugin keeps the mesh, no agent does
};
/// Throws json::FieldError.
Identity read_identity(const json::Field& document);

/// The type of IPAM plugin that the configuration delegates to; none for the own module. Throws
/// json::FieldError.
std::optional<json::Field> read_delegate(const json::Field& document);

/// The whole network configuration, checked.
struct Config {
    std::string cni_version;
    Identity identity;
    mesh::Settings settings;
    mesh::Cluster cluster;
    /// Whether the nodes are still those that are wanted, as far as a file tells.
    std::function<bool()> is_current = {};
    json::Value dns;                          ///< as it goes into the result; null: none
    std::optional<ip::Mac> mac;               ///< asked for by the runtime
    std::vector<ip::Address> requested;       ///< likewise
    std::vector<ipam_plugin::SubnetSet> sets; ///< none: the node's pod CIDRs
    std::vector<cni::Result::Route> routes;   ///< none: the default route of each family
    std::optional<cni::Result> previous;      ///< of the plugins before this one in the chain
    std::vector<std::string> unknown_keys;    ///< to be warned of
};

/// Throws json::FieldError and json::UnsupportedError, which name key, value and mend, NotReady; so
/// does its cluster, where the nodes are in a file.
Config read_config(const cni::Call& call);

/// Checks what such a configuration says by itself, without its nodes and without what a runtime
/// adds, for one who writes it: what is wrong there would fail every ADD. Returns unknown keys.
/// Throws as read_config does.
std::vector<std::string> check_config(const json::Field& document);

} // namespace plugin
