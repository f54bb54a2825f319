#include "agent/options.h"

#include "cni/version.h"
#include "plugin/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <fstream>
#include <iostream>
#include <iterator>

namespace agent {

namespace {

constexpr int misused = 2; // exit status

/// IPIPD_NODE_NAME for --node-name.
std::string variable_of(const std::string& flag) {
    std::string name = "IPIPD_" + flag.substr(2);
    std::ranges::transform(name, name.begin(), [](unsigned char c) {
        return c == '-' ? '_' : static_cast<char>(std::toupper(c));
    });
    return name;
}

json::Value read_network(const std::string& path) {
    if (path.empty())
        return json::Value::object();
    std::ifstream file(path);
    if (!file)
        throw json::FieldError("--config: " + path + " cannot be read");
    try {
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        json::Value document = json::parse(text);
        (void)json::Field(document).object();
        return document;
    } catch (const std::runtime_error& error) {
        throw json::FieldError("--config: " + path + ": " + error.what());
    }
}

/// What was given and is not an option as it is; the network settings go over those of --config.
struct Flags {
    std::string kubeconfig, nodes_file, program_dir;
    std::string config;
    std::optional<std::string> name, state_dir, topology, direct, encapsulation, log_level;
    std::optional<int> mtu, ttl, fou_port;
    std::optional<bool> masquerade, source_check;

    json::Value merged() const {
        json::Value network = read_network(config);
        const auto put = [&](const char* key, const auto& value) {
            if (value)
                network[key] = *value;
        };
        put("name", name);
        put("stateDir", state_dir);
        put("topology", topology);
        put("direct", direct);
        put("encapsulation", encapsulation);
        put("logLevel", log_level);
        put("mtu", mtu);
        put("ttl", ttl);
        put("fouPort", fou_port);
        put("ipMasq", masquerade);
        put("sourceCheck", source_check);
        if (!network.contains("name"))
            network["name"] = "podnet";
        for (const char* key : {"type", "nodes", "nodesFile"})
            network.erase(key); // ours to say
        return network;
    }
};

void declare(CLI::App& app, Options& options, Flags& flags) {
    const auto add = [&](const std::string& flag, auto& value, const std::string& help) {
        return app.add_option(flag, value, help)->envname(variable_of(flag))->capture_default_str();
    };
    add("--node-name", options.node_name, "the name of this host's Node");
    add("--kubeconfig", flags.kubeconfig,
        "how to reach the API server; default: as a pod of the cluster");
    add("--nodes-file", flags.nodes_file,
        "a file with the nodes, followed as it changes, instead of "
        "Kubernetes");
    add("--interface", options.interface,
        "have this Node name the address of this interface as its own, by an annotation");
    add("--cni-bin-dir", options.cni_bin_dir, "where runtimes find plugins");
    add("--cni-conf-dir", options.cni_conf_dir, "where runtimes find network configurations");
    add("--etc-dir", options.etc_dir,
        "the host's /etc, for the files that keep network managers off our devices");
    add("--program-dir", flags.program_dir, "install the plugins and ipipctl from here");
    add("--fallback-tunnels-on-host-only", options.fallback_tunnels_on_host_only,
        "set net.core.fb_tunnels_only_for_init_net, so that no tunl0 shows up in pods: true or "
        "false");
    add("--listen", options.listen, "address and port of /healthz, /readyz and /metrics");
    add("--config", flags.config, "a file with a network configuration, as the plugin has it");
    add("--name", flags.name,
        "the network's name; this and all below as in the network's "
        "configuration, which they overrule");
    add("--state-dir", flags.state_dir, "where leases and nodes.json are kept");
    add("--topology", flags.topology, "pairs or shared: a tunnel for each peer or one for all");
    add("--direct", flags.direct, "never, for now");
    add("--encapsulation", flags.encapsulation, "ipip, for now");
    add("--fou-port", flags.fou_port, "of no effect, for now");
    add("--mtu", flags.mtu, "of tunnels and pods, bytes; 0: found out for each tunnel");
    add("--ttl", flags.ttl, "of the outer header");
    add("--ip-masq", flags.masquerade, "masquerade what pods send to outside: true or false");
    add("--source-check", flags.source_check, "drop what has a false source: true or false");
    add("--log-level", flags.log_level, "trace, debug, info, warning, error or off");
}

/// Throws json::FieldError and its like.
void take(const Flags& flags, Options& options) {
    if (!flags.kubeconfig.empty())
        options.kubeconfig = flags.kubeconfig;
    if (!flags.nodes_file.empty())
        options.nodes_file = flags.nodes_file;
    options.program_dir = flags.program_dir;
    options.network = flags.merged();
    const json::Field network(options.network);
    options.unknown_keys = plugin::check_config(network);
    (void)cni::read_version(network); // the list's, like cniVersions
    if (const auto versions = network.find("cniVersions")) {
        if (versions->array().empty())
            versions->fail(versions->shown() +
                           " names no version; leave it out, or name what all plugins serve");
        for (const json::Field& version : versions->array())
            cni::require_served(version);
    }
    if (const auto name = network.find("nodeName"))
        name->fail(name->shown() + " is another for each host; give it by --node-name");
    if (const auto plugins = network.find("plugins"))
        for (const json::Field& plugin : plugins->array())
            (void)plugin.require("type", "name the program").string();
    if (!options.interface.empty() && options.nodes_file)
        throw json::FieldError("--interface: \"" + options.interface +
                               "\" goes with Kubernetes; with --nodes-file write the address "
                               "into that file");
    if (options.node_name.empty() && !options.nodes_file)
        throw json::FieldError("--node-name: is missing; give the name of this host's Node (in a "
                               "DaemonSet from spec.nodeName, as IPIPD_NODE_NAME)");
}

} // namespace

std::filesystem::path Options::state_dir() const {
    const auto path = json::Field(network).find("stateDir");
    return path ? path->absolute_path(cni::default_state_dir) : cni::default_state_dir;
}

std::optional<int> read_options(int argc, char** argv, Options& options) {
    CLI::App app(
        "ipipd keeps the IPIP tunnels of this host to every other node of the cluster, and "
        "installs the CNI plugin.");
    Flags flags;
    declare(app, options, flags);
    app.set_version_flag("--version", IPIP_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& end) {
        return app.exit(end) == 0 ? 0 : misused;
    }
    try {
        take(flags, options);
        return std::nullopt;
    } catch (const std::runtime_error& error) {
        std::cerr << "ipipd: " << error.what() << '\n';
        return misused;
    }
}

} // namespace agent
