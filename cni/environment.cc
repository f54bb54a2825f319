#include "cni/environment.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

namespace cni {

namespace {

using Get = const char* (*)(const char*);

constexpr std::size_t longest_container_id = 240;
constexpr std::size_t longest_interface = 15; // IFNAMSIZ with its terminator, netdevice(7)

/// As an error shows it: cut short, with nothing that a terminal would act on.
std::string shown(std::string_view value) {
    std::string text = "\"";
    for (const char c : value.substr(0, 60))
        text += std::isprint(static_cast<unsigned char>(c)) ? c : '?';
    return text + (value.size() > 60 ? "...\"" : "\"");
}

std::string require(Get get, const char* name, const std::string& mend) {
    const char* value = get(name);
    if (value == nullptr || *value == '\0')
        throw EnvironmentError(std::string(name) + " is missing; " + mend);
    return value;
}

constexpr std::array<std::pair<std::string_view, Verb>, 6> verbs{{{"ADD", Verb::add},
                                                                  {"DEL", Verb::del},
                                                                  {"CHECK", Verb::check},
                                                                  {"GC", Verb::gc},
                                                                  {"STATUS", Verb::status},
                                                                  {"VERSION", Verb::version}}};

Verb read_verb(Get get) {
    const std::string command =
        require(get, "CNI_COMMAND",
                "set it to ADD, DEL, CHECK, GC, STATUS or VERSION (this is a CNI plugin, which a "
                "container runtime calls)");
    const auto known = std::ranges::find(verbs, command, &std::pair<std::string_view, Verb>::first);
    if (known == verbs.end())
        throw EnvironmentError("CNI_COMMAND: " + shown(command) +
                               " is not ADD, DEL, CHECK, GC, STATUS or VERSION");
    return known->second;
}

std::vector<std::string> read_path(Get get) {
    std::vector<std::string> directories;
    const char* value = get("CNI_PATH");
    std::string_view rest = value == nullptr ? "" : value;
    while (!rest.empty()) {
        const std::string_view directory = rest.substr(0, rest.find(':'));
        rest.remove_prefix(std::min(rest.size(), directory.size() + 1));
        if (!directory.empty())
            directories.emplace_back(directory);
    }
    return directories;
}

std::string read_container_id(Get get) {
    const std::string id =
        require(get, "CNI_CONTAINERID", "set it to the container's unique identifier");
    // The form that the specification prescribes; it keeps path separators out as well.
    const auto alphanumeric = [](char c) { return std::isalnum(static_cast<unsigned char>(c)); };
    const bool clean = std::ranges::all_of(
        id, [&](char c) { return alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
    if (!clean || !alphanumeric(id.front()))
        throw EnvironmentError("CNI_CONTAINERID: " + shown(id) +
                               " must begin with a letter or digit and hold only letters, digits, "
                               "'_', '.' and '-'");
    if (id.size() > longest_container_id)
        throw EnvironmentError("CNI_CONTAINERID: " + shown(id) + " has " +
                               std::to_string(id.size()) + " characters; at most " +
                               std::to_string(longest_container_id) + " are possible");
    return id;
}

std::string read_interface(Get get) {
    const std::string name =
        require(get, "CNI_IFNAME", "set it to the interface's name in the pod, such as eth0");
    const bool clean = std::ranges::all_of(name, [](char c) {
        // The kernel takes a '%' for a pattern and makes up a name of its own from it.
        return std::isgraph(static_cast<unsigned char>(c)) && c != '/' && c != ':' && c != '%';
    });
    constexpr std::array<std::string_view, 4> reserved{".", "..", "all", "default"};
    if (!clean || std::ranges::find(reserved, name) != reserved.end())
        throw EnvironmentError(
            "CNI_IFNAME: " + shown(name) +
            " is no interface name: no '/', ':', '%', blanks or control "
            "characters, and not '.', '..', all or default; use one such as eth0");
    if (name.size() > longest_interface)
        throw EnvironmentError("CNI_IFNAME: " + shown(name) + " has " +
                               std::to_string(name.size()) + " characters; the kernel allows " +
                               std::to_string(longest_interface));
    if (name == "lo")
        throw EnvironmentError("CNI_IFNAME: \"lo\" is the pod's loopback device; use another name, "
                               "such as eth0");
    return name;
}

bool is_true(std::string value) {
    std::ranges::transform(value, value.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return value == "1" || value == "true";
}

std::map<std::string, std::string> read_args(Get get) {
    std::map<std::string, std::string> args;
    const char* value = get("CNI_ARGS");
    for (std::string_view rest = value == nullptr ? "" : value; !rest.empty();) {
        const std::string_view pair = rest.substr(0, rest.find(';'));
        rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
        const auto equals = pair.find('=');
        if (equals == std::string_view::npos || equals == 0)
            throw EnvironmentError("CNI_ARGS: " + shown(pair) +
                                   " is not KEY=VALUE; write pairs such as IP=10.10.100.20;K=V");
        args.insert_or_assign(std::string(pair.substr(0, equals)),
                              std::string(pair.substr(equals + 1)));
    }
    const auto ignore = args.find("IgnoreUnknown");
    if (ignore != args.end() && is_true(ignore->second))
        return args;
    for (const auto& [key, unused] : args)
        if (key != "IP" && key != "MAC" && key != "IgnoreUnknown" && !key.starts_with("K8S_POD_"))
            throw EnvironmentError("CNI_ARGS: " + shown(key) +
                                   " is unknown; remove it or add IgnoreUnknown=1");
    return args;
}

/// The address that the pod is to have: none, or as host-local takes it, with or without a length.
std::optional<ip::Address> read_requested(const std::map<std::string, std::string>& args) {
    const auto arg = args.find("IP");
    if (arg == args.end() || arg->second.empty())
        return std::nullopt;
    try {
        return ip::Address::parse(arg->second.substr(0, arg->second.find('/')));
    } catch (const ip::ParseError&) {
        throw EnvironmentError("CNI_ARGS: IP=" + shown(arg->second) +
                               " is not an IP address; write one such as IP=10.10.100.20");
    }
}

/// Likewise its MAC address, as podman asks for it.
std::optional<ip::Mac> read_mac(const std::map<std::string, std::string>& args) {
    const auto arg = args.find("MAC");
    if (arg == args.end() || arg->second.empty())
        return std::nullopt;
    try {
        return ip::Mac::parse(arg->second);
    } catch (const ip::ParseError&) {
        throw EnvironmentError("CNI_ARGS: MAC=" + shown(arg->second) +
                               " is not a MAC address; write one such as MAC=02:42:ac:11:00:02");
    }
}

} // namespace

std::string_view name(Verb verb) {
    return std::ranges::find(verbs, verb, &std::pair<std::string_view, Verb>::second)->first;
}

Environment read_environment(Get get) {
    Environment environment{read_verb(get), {}, {}, {}, read_path(get), {}, {}, {}};
    switch (environment.verb) {
    case Verb::version:
    case Verb::gc:
    case Verb::status:
        return environment;
    case Verb::add:
    case Verb::check:
        environment.container_id = read_container_id(get);
        environment.interface = read_interface(get);
        environment.netns =
            require(get, "CNI_NETNS", "set it to the path of the pod's network namespace");
        environment.args = read_args(get);
        environment.requested = read_requested(environment.args);
        environment.mac = read_mac(environment.args);
        return environment;
    case Verb::del: // what a runtime passes beyond this must not keep it from cleaning up
        environment.container_id = read_container_id(get);
        environment.interface = read_interface(get);
        if (const char* netns = get("CNI_NETNS"); netns != nullptr && *netns != '\0')
            environment.netns = netns;
        return environment;
    }
    return environment;
}

} // namespace cni
