#pragma once

#include "cni/log.h"
#include "cni/result.h"
#include "cni/run.h"
#include "ip/mac.h"
#include "ipam_plugin/config.h"
#include "mesh/reconcile.h"
#include "json/field.h"

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/types.h>
#include <tuple>
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

/// The file that the nodes were read from. It is replaced, never written over.
class NodesFile {
  public:
    /// Throws NotReady where there is none.
    explicit NodesFile(std::filesystem::path path);
    const std::filesystem::path& path() const { return path_; }
    /// Whether it is still the same one.
    bool is_current() const;

  private:
    using Version = std::tuple<dev_t, ino_t, time_t, long>;
    std::optional<Version> version() const;

    std::filesystem::path path_;
    std::optional<Version> read_;
};

/// The whole network configuration, checked.
struct Config {
    std::string cni_version;
    Identity identity;
    mesh::Settings settings;
    std::vector<mesh::Node> nodes;
    std::optional<NodesFile> nodes_file = {}; ///< where they came from it
    std::optional<std::string> node_name;
    json::Value dns;                          ///< as it goes into the result; null: none
    std::optional<ip::Mac> mac;               ///< asked for by the runtime
    std::vector<ip::Address> requested;       ///< likewise
    std::vector<ipam_plugin::SubnetSet> sets; ///< none: the node's pod CIDRs
    std::vector<cni::Result::Route> routes;   ///< none: the default route of each family
    std::optional<cni::Result> previous;      ///< of the plugins before this one in the chain
    std::vector<std::string> unknown_keys;    ///< to be warned of
};

/// Throws json::FieldError and json::UnsupportedError, which name key, value and mend, NotReady.
Config read_config(const cni::Call& call);

} // namespace plugin
