#pragma once

#include "cni/host_files.h"
#include "json/field.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace agent {

/// What ipipd was told on its command line and in its environment.
struct Options {
    std::string node_name;                           ///< which Node this host is
    std::optional<std::filesystem::path> kubeconfig; ///< none: the service account in the pod
    std::optional<std::filesystem::path> nodes_file; ///< instead of Kubernetes
    std::string interface; ///< whose address this Node is to name as its own; empty: as it says
    std::filesystem::path cni_bin_dir = cni::default_cni_bin_dir;
    std::filesystem::path cni_conf_dir = cni::default_cni_conf_dir;
    std::filesystem::path etc_dir = "/etc"; ///< of the host, for its network managers
    std::filesystem::path
        program_dir; ///< where the plugins lie that are to be installed; empty: none are
    std::string listen = "127.0.0.1:9094";
    /// Keep fallback tunnel devices such as tunl0 out of network namespaces that are yet to come.
    bool fallback_tunnels_on_host_only = false;
    /// The network configuration of the plugin, without nodes, as it goes into the conflist, with
    /// those that are to follow it under "plugins".
    json::Value network;
    std::vector<std::string> unknown_keys; ///< of the network configuration, to be warned of

    std::filesystem::path state_dir() const;
};

/// Reads them. Prints help or what is wrong and returns the status to exit with, where there is
/// nothing to run. Every flag is also a variable: --node-name is IPIPD_NODE_NAME.
std::optional<int> read_options(int argc, char** argv, Options& options);

} // namespace agent
