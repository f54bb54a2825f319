#include "plugin/config.h"

#include "cni/file.h"
#include "cni/network.h"
#include "mesh/settings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace plugin {

namespace {

constexpr const char* default_state_dir = "/run/ipip-cni";
constexpr const char* default_nodes_file = "/run/ipip-cni/nodes.json";

std::filesystem::path path_or(const json::Field& document, const char* key, const char* absent) {
    const auto field = document.find(key);
    return field ? field->absolute_path(absent) : absent;
}

const json::Value& strings(const json::Field& list) {
    for (const json::Field& field : list.array())
        field.string();
    return list.value();
}

json::Value read_dns(const json::Field& document) {
    const auto dns = document.find("dns");
    if (!dns)
        return nullptr;
    for (const char* key : {"nameservers", "search", "options"})
        if (const auto list = dns->find(key))
            strings(*list);
    if (const auto domain = dns->find("domain"))
        domain->string();
    return dns->object().empty() ? json::Value() : dns->value();
}

/// The runtime's own words for what a result calls "nameservers" and "search" (CNI conventions);
/// containerd writes them with a capital.
json::Value read_runtime_dns(const json::Field& dns) {
    json::Value result = json::Value::object();
    constexpr std::array<std::array<const char*, 3>, 3> words{
        {{"servers", "Servers", "nameservers"},
         {"searches", "Searches", "search"},
         {"options", "Options", "options"}}};
    for (const auto& [theirs, capital, ours] : words) {
        const auto plain = dns.find(theirs);
        if (const auto list = plain ? plain : dns.find(capital))
            result[ours] = strings(*list);
    }
    return result;
}

/// Of what the runtime asks for: a MAC address, and a DNS instead of the configured one.
void read_runtime_config(const json::Field& document, Config& config) {
    const auto runtime = document.find("runtimeConfig");
    if (!runtime)
        return;
    if (const auto mac = runtime->find("mac"))
        config.mac = mac->parsed(ip::Mac::parse);
    if (const auto dns = runtime->find("dns"))
        if (auto asked = read_runtime_dns(*dns); !asked.empty())
            config.dns = std::move(asked);
}

/// Keys that nobody reads: mostly a misspelling, or a setting of another plugin.
std::vector<std::string> find_unknown(const json::Field& document) {
    static constexpr std::array<std::string_view, 30> known{"cniVersion",
                                                            "cniVersions",
                                                            "name",
                                                            "type",
                                                            "nodes",
                                                            "nodesFile",
                                                            "nodeName",
                                                            "stateDir",
                                                            "topology",
                                                            "direct",
                                                            "encapsulation",
                                                            "fouPort",
                                                            "mtu",
                                                            "ttl",
                                                            "ipMasq",
                                                            "sourceCheck",
                                                            "ipam",
                                                            "dns",
                                                            "logFile",
                                                            "logLevel",
                                                            "args",
                                                            "capabilities",
                                                            "runtimeConfig",
                                                            "prevResult",
                                                            "disableCheck",
                                                            "disableGC",
                                                            "loadOnlyInlinedPlugins",
                                                            "plugins",
                                                            "cni.dev/attachments",
                                                            "cni.dev/valid-attachments"};
    static constexpr std::array<std::string_view, 8> known_of_ipam{
        "type", "ranges", "routes", "resolvConf", "subnet", "rangeStart", "rangeEnd", "gateway"};
    static constexpr std::array<std::string_view, 4> known_of_node{"name", "addresses", "podCIDRs",
                                                                   "tunnelAddresses"};
    std::vector<std::string> unknown;
    for (const auto& [key, unused] : document.object().items())
        if (std::ranges::find(known, key) == known.end())
            unknown.push_back(key);
    if (const auto ipam = document.find("ipam"); ipam && !read_delegate(document))
        for (const auto& [key, unused] : ipam->object().items())
            if (std::ranges::find(known_of_ipam, key) == known_of_ipam.end())
                unknown.push_back("ipam." + key);
    if (const auto nodes = document.find("nodes"))
        for (const json::Field& node : nodes->array())
            for (const auto& [key, unused] : node.object().items())
                if (std::ranges::find(known_of_node, key) == known_of_node.end())
                    unknown.push_back(node.path() + '.' + key);
    return unknown;
}

/// The nodes that the agent left for us.
mesh::Cluster::Listing read_nodes_file(const std::filesystem::path& path,
                                       std::optional<std::string> self) {
    const auto text = cni::read_file(path);
    if (!text)
        throw json::FieldError("nodesFile: " + path.string() + " cannot be read; see who may");
    try {
        const json::Value content = json::parse(*text);
        const json::Field root(content);
        if (const auto name = root.find("self"); name && !self)
            self = name->string();
        return {.nodes = mesh::read_nodes(root.require("nodes", "list every node of the cluster")),
                .self = std::move(self)};
    } catch (const json::SyntaxError& error) {
        throw json::FieldError("nodesFile: " + path.string() + " is not JSON: " + error.what());
    } catch (const json::FieldError& error) {
        throw json::FieldError("nodesFile: " + path.string() + ": " + error.what());
    }
}

void read_cluster(const json::Field& document, Config& config) {
    std::optional<std::string> self;
    if (const auto name = document.find("nodeName"))
        self = name->string();
    const auto path = path_or(document, "nodesFile", default_nodes_file);
    if (const auto nodes = document.find("nodes")) {
        config.cluster = mesh::Cluster({.nodes = mesh::read_nodes(*nodes), .self = self});
        return;
    }
    const std::string version = mesh::file_version(path);
    if (version.empty())
        throw NotReady("nodes: are not in the configuration, and nodesFile " + path.string() +
                       " cannot be read; list the nodes, or see that ipipd runs on this host");
    config.cluster = mesh::Cluster(version + self.value_or(""),
                                   [path, self] { return read_nodes_file(path, self); });
    config.is_current = [path, version] { return mesh::file_version(path) == version; };
}

} // namespace

Identity read_identity(const json::Field& document) {
    return {.network = cni::read_network(document, mesh::longest_network),
            .state_dir = path_or(document, "stateDir", default_state_dir),
            .owns_mesh = document.find("nodes").has_value()};
}

std::optional<json::Field> read_delegate(const json::Field& document) {
    const auto ipam = document.find("ipam");
    const auto type = ipam ? ipam->find("type") : std::nullopt;
    return type && type->string() != "ipip-ipam" ? type : std::nullopt;
}

Config read_config(const cni::Call& call) {
    const json::Field& document = call.config;
    Config config{.cni_version = call.version,
                  .identity = read_identity(document),
                  .settings = mesh::read_settings(document, read_identity(document).network),
                  .cluster = mesh::Cluster({}),
                  .dns = read_dns(document),
                  .mac = call.environment.mac,
                  .requested = ipam_plugin::read_requested(document, call.environment),
                  .sets = {},
                  .routes = {},
                  .previous = cni::read_previous(document, call.version),
                  .unknown_keys = find_unknown(document)};
    if (const auto type = document.find("type"))
        type->string();
    if (!read_delegate(document)) { // whose keys only the delegate knows
        config.sets = ipam_plugin::read_ranges(document);
        config.routes = ipam_plugin::read_routes(document);
        if (config.dns.is_null())
            config.dns = ipam_plugin::read_resolv_conf(document);
    }
    read_runtime_config(document, config);
    read_cluster(document, config);
    return config;
}

std::vector<std::string> check_config(const json::Field& document) {
    (void)mesh::read_settings(document, read_identity(document).network);
    (void)cni::read_log(document);
    (void)read_dns(document);
    if (!read_delegate(document)) {
        (void)ipam_plugin::read_ranges(document);
        (void)ipam_plugin::read_routes(document);
    }
    return find_unknown(document);
}

} // namespace plugin
