#include "plugin/config.h"

#include "ip/cidr.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <iterator>
#include <utility>

namespace plugin {

namespace {

constexpr const char* default_state_dir = "/run/ipip-cni";
constexpr const char* default_nodes_file = "/run/ipip-cni/nodes.json";
constexpr std::size_t longest_network = 50; // with a peer's name it must fit a device's alias

std::string read_name(const json::Field& document) {
    const json::Field field =
        document.require("name", "give the network a name, such as \"podnet\"");
    const std::string& name = field.string();
    const auto alphanumeric = [](char c) { return std::isalnum(static_cast<unsigned char>(c)); };
    const bool clean = std::ranges::all_of(
        name, [&](char c) { return alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
    if (name.empty() || !clean || !alphanumeric(name.front()) || name.size() > longest_network)
        field.fail(field.shown() + " is not a network name; use at most 50 letters, digits, '_', "
                                   "'.' and '-', a letter or digit first");
    return name;
}

std::filesystem::path read_path(const json::Field& field, const char* example) {
    const std::filesystem::path path = field.string();
    if (!path.is_absolute() || field.string().find('\0') != std::string::npos)
        field.fail(field.shown() + " is not an absolute path; give one such as " + example);
    return path;
}

std::filesystem::path path_or(const json::Field& document, const char* key, const char* absent) {
    const auto field = document.find(key);
    return field ? read_path(*field, absent) : absent;
}

/// A key with several known values of which this version does the first.
void require_first(const json::Field& document, const char* key,
                   const std::vector<std::string>& values) {
    const auto field = document.find(key);
    if (!field || field->string() == values.front())
        return;
    if (std::ranges::find(values, field->string()) != values.end())
        field->unsupported("is not supported yet; use \"" + values.front() + '"');
    std::string choice;
    for (const std::string& value : values)
        choice += (choice.empty() ? "\"" : " or \"") + value + '"';
    field->fail(field->shown() + " is unknown; use " + choice);
}

template <typename Read>
auto value_or(const json::Field& document, const char* key, Read read,
              decltype(read(document)) absent) {
    const auto field = document.find(key);
    return field ? read(*field) : absent;
}

bool boolean(const json::Field& field) {
    return field.boolean();
}

std::uint32_t read_mtu(const json::Field& field) {
    // Below 576 nothing is sure to work (RFC 791); above, the outer header must still fit.
    const auto mtu = field.integer(0, 65515);
    if (mtu != 0 && mtu < 576)
        field.fail(field.shown() +
                   " is less than IPv4 needs; use 0 to have it found out, or 576 to 65515");
    return static_cast<std::uint32_t>(mtu);
}

mesh::Settings read_settings(const json::Field& document) {
    require_first(document, "topology", {"pairs", "shared"});
    require_first(document, "direct", {"never", "same-subnet"});
    require_first(document, "encapsulation", {"ipip", "fou"});
    if (const auto port = document.find("fouPort"))
        port->integer(1, 65535);
    return {
        .network = read_name(document),
        .mtu = value_or(document, "mtu", read_mtu, 0),
        .ttl = static_cast<std::uint8_t>(value_or(
            document, "ttl", [](const json::Field& field) { return field.integer(1, 255); }, 64)),
        .masquerade = value_or(document, "ipMasq", boolean, false),
        .check_source = value_or(document, "sourceCheck", boolean, true)};
}

void check_ipam(const json::Field& document) {
    const auto ipam = document.find("ipam");
    if (!ipam)
        return;
    const auto type = ipam->find("type");
    if (type && type->string() != "ipip-ipam")
        type->unsupported("is not supported yet; use \"ipip-ipam\"");
    for (const auto& [key, unused] : ipam->object().items())
        if (const auto field = ipam->find(key); field && key != "type")
            field->unsupported(
                "is not supported yet under ipip; the ranges are the node's podCIDRs");
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

/// The runtime's own words for what a result calls "nameservers" and "search" (CNI conventions).
json::Value read_runtime_dns(const json::Field& dns) {
    json::Value result = json::Value::object();
    constexpr std::array<std::pair<const char*, const char*>, 3> words{
        {{"servers", "nameservers"}, {"searches", "search"}, {"options", "options"}}};
    for (const auto& [theirs, ours] : words)
        if (const auto list = dns.find(theirs))
            result[ours] = strings(*list);
    return result;
}

ip::Address address_of(std::string_view text) { // runtimes write both 10.1.2.3 and 10.1.2.3/24
    return ip::Address::parse(text.substr(0, text.find('/')));
}

void read_runtime_config(const json::Field& document, Config& config) {
    const auto runtime = document.find("runtimeConfig");
    if (!runtime)
        return;
    if (const auto ips = runtime->find("ips"))
        for (const json::Field& field : ips->array())
            config.requested.push_back(field.parsed(address_of));
    if (const auto mac = runtime->find("mac"))
        config.mac = mac->parsed(ip::Mac::parse);
    if (const auto dns = runtime->find("dns"))
        if (auto asked = read_runtime_dns(*dns); !asked.empty())
            config.dns = std::move(asked);
    if (const auto ranges = runtime->find("ipRanges"); ranges && !ranges->array().empty())
        ranges->unsupported("is not supported yet; the ranges are the node's podCIDRs");
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
    static constexpr std::array<std::string_view, 4> known_of_node{"name", "addresses", "podCIDRs",
                                                                   "tunnelAddresses"};
    std::vector<std::string> unknown;
    for (const auto& [key, unused] : document.object().items())
        if (std::ranges::find(known, key) == known.end())
            unknown.push_back(key);
    if (const auto nodes = document.find("nodes"))
        for (const json::Field& node : nodes->array())
            for (const auto& [key, unused] : node.object().items())
                if (std::ranges::find(known_of_node, key) == known_of_node.end())
                    unknown.push_back(node.path() + '.' + key);
    return unknown;
}

/// The nodes that the agent left for us.
void read_nodes_file(const std::filesystem::path& path, Config& config) {
    std::ifstream file(path);
    if (!file)
        throw NotReady("nodes: are not in the configuration, and nodesFile " + path.string() +
                       " cannot be read; list the nodes, or see that ipipd runs on this host");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    try {
        const json::Value content = json::parse(text);
        const json::Field root(content);
        config.nodes = mesh::read_nodes(root.require("nodes", "list every node of the cluster"));
        if (const auto self = root.find("self"); self && !config.node_name)
            config.node_name = self->string();
    } catch (const json::SyntaxError& error) {
        throw json::FieldError("nodesFile: " + path.string() + " is not JSON: " + error.what());
    } catch (const json::FieldError& error) {
        throw json::FieldError("nodesFile: " + path.string() + ": " + error.what());
    }
}

} // namespace

const std::vector<std::string>& served_versions() {
    static const std::vector<std::string> versions{"0.1.0", "0.2.0", "0.3.0", "0.3.1",
                                                   "0.4.0", "1.0.0", "1.1.0"};
    return versions;
}

std::string read_version(const json::Field& document) {
    const auto field = document.find("cniVersion");
    const std::string version = field ? field->string() : served_versions().front();
    if (std::ranges::find(served_versions(), version) == served_versions().end()) {
        std::string list;
        for (const std::string& served : served_versions())
            list += (list.empty() ? "" : ", ") + served;
        throw VersionError("cniVersion: " + field->shown() + " is not served; use one of " + list);
    }
    return version;
}

Identity read_identity(const json::Field& document) {
    return {.network = read_name(document),
            .state_dir = path_or(document, "stateDir", default_state_dir),
            .owns_mesh = document.find("nodes").has_value()};
}

LogSettings read_log(const json::Field& document) {
    LogSettings log;
    if (const auto file = document.find("logFile"); file && !file->string().empty())
        log.file = read_path(*file, "/var/log/ipip-cni.log");
    if (const auto level = document.find("logLevel")) {
        log.level = level->string();
        constexpr std::array<std::string_view, 6> levels{"trace",   "debug", "info",
                                                         "warning", "error", "off"};
        if (std::ranges::find(levels, log.level) == levels.end())
            level->fail(level->shown() +
                        " is unknown; use trace, debug, info, warning, error or off");
    }
    return log;
}

Config read_config(const json::Field& document) {
    Config config{.cni_version = read_version(document),
                  .identity = read_identity(document),
                  .settings = read_settings(document),
                  .nodes = {},
                  .node_name = {},
                  .dns = read_dns(document),
                  .requested = {},
                  .mac = {},
                  .log = read_log(document),
                  .unknown_keys = find_unknown(document)};
    if (const auto name = document.find("nodeName"))
        config.node_name = name->string();
    if (const auto type = document.find("type"))
        type->string();
    const auto nodes_file = path_or(document, "nodesFile", default_nodes_file);
    check_ipam(document);
    read_runtime_config(document, config);
    if (const auto nodes = document.find("nodes"))
        config.nodes = mesh::read_nodes(*nodes);
    else
        read_nodes_file(nodes_file, config);
    return config;
}

} // namespace plugin
