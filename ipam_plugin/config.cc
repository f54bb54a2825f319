#include "ipam_plugin/config.h"

#include "cni/file.h"
#include "cni/network.h"
#include "cni/version.h"
#include "ipam/range.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace ipam_plugin {

namespace {

constexpr const char* default_data_dir = "/run/ipip-cni";
constexpr std::size_t longest_network = 240; // as the store has it

/// An address of the block's own, from an optional key.
std::optional<ip::Address> read_end(const json::Field& entry, const char* key,
                                    const ip::Cidr& block) {
    const auto field = entry.find(key);
    if (!field)
        return std::nullopt;
    const auto address = field->parsed(ip::Address::parse);
    if (!block.contains(address))
        field->fail(field->shown() + " is outside of the subnet " + block.to_string() +
                    "; name an address inside");
    return address;
}

/// What stands between any number of these characters.
std::vector<std::string_view> parts_of(std::string_view text, std::string_view separators) {
    std::vector<std::string_view> parts;
    for (;;) {
        text.remove_prefix(std::min(text.find_first_not_of(separators), text.size()));
        if (text.empty())
            return parts;
        const std::string_view part = text.substr(0, text.find_first_of(separators));
        parts.push_back(part);
        text.remove_prefix(part.size());
    }
}

Subnet read_subnet(const json::Field& entry) {
    const json::Field field =
        entry.require("subnet", "name the block of addresses, such as \"10.1.0.0/16\"");
    const auto block = field.parsed(ip::Cidr::parse);
    Subnet subnet{.block = block, .range = {}, .gateway = {}, .path = field.path()};
    try {
        subnet.range = ipam::usable(block);
    } catch (const std::invalid_argument& error) {
        field.fail(error.what());
    }
    const auto gateway = entry.find("gateway");
    subnet.gateway = gateway ? gateway->parsed(ip::Address::parse) : subnet.range.first;
    if (gateway && subnet.gateway.family() != block.family())
        gateway->fail(gateway->shown() + " is of another family than the subnet " +
                      block.to_string() + "; name an " + std::string(ip::name(block.family())) +
                      " address");
    if (const auto start = read_end(entry, "rangeStart", block))
        subnet.range.first = std::max(*start, subnet.range.first);
    if (const auto end = read_end(entry, "rangeEnd", block))
        subnet.range.last = std::min(*end, subnet.range.last);
    if (subnet.range.last < subnet.range.first)
        entry.fail("\"rangeStart\" and \"rangeEnd\" leave no address of " + block.to_string() +
                   " between them; widen the range");
    if (ipam::contains(subnet.range, subnet.gateway))
        subnet.range.reserved.push_back(subnet.gateway);
    if (subnet.range.first == subnet.range.last && !subnet.range.reserved.empty())
        entry.fail("the only address of the range is the gateway, " + subnet.gateway.to_string() +
                   "; widen the range");
    return subnet;
}

SubnetSet read_set(const json::Field& list) {
    SubnetSet set;
    for (const json::Field& entry : list.array()) {
        set.push_back(read_subnet(entry));
        if (set.back().block.family() != set.front().block.family())
            entry.fail("a set of ranges mixes IPv4 and IPv6; make two sets of it");
    }
    if (set.empty())
        list.fail("a set of ranges is empty; name a subnet in it");
    return set;
}

void refuse_overlap(const std::vector<SubnetSet>& sets) {
    std::vector<const Subnet*> all;
    for (const SubnetSet& set : sets)
        for (const Subnet& subnet : set)
            all.push_back(&subnet);
    std::ranges::sort(all, {}, [](const Subnet* subnet) { return subnet->range.first; });
    for (std::size_t i = 1; i < all.size(); ++i)
        if (all[i]->range.first <= all[i - 1]->range.last &&
            all[i]->block.family() == all[i - 1]->block.family())
            throw json::FieldError(all[i]->path + ": the range of " + all[i]->block.to_string() +
                                   " overlaps that of " + all[i - 1]->path +
                                   "; each address belongs in one range");
}

void read_sets(const json::Field& list, std::vector<SubnetSet>& sets) {
    for (const json::Field& set : list.array())
        sets.push_back(read_set(set));
}

/// Before 0.3.0 a result has room for one address a family.
void refuse_many(const std::vector<SubnetSet>& sets, const std::string& version) {
    if (cni::at_least(version, "0.3.0"))
        return;
    for (const ip::Family family : {ip::Family::v4, ip::Family::v6})
        if (std::ranges::count(sets, family,
                               [](const SubnetSet& set) { return set.front().block.family(); }) > 1)
            throw json::FieldError("ipam.ranges: cniVersion " + version +
                                   " has no room for two addresses of a family; use 0.3.0 or "
                                   "later, or one set a family");
}

ip::Address read_with_or_without_length(std::string_view text) { // runtimes write both
    return ip::Address::parse(text.substr(0, text.find('/')));
}

} // namespace

std::vector<SubnetSet> read_ranges(const json::Field& config) {
    std::vector<SubnetSet> sets;
    if (const auto runtime = config.find("runtimeConfig"))
        if (const auto ranges = runtime->find("ipRanges"))
            read_sets(*ranges, sets);
    if (const auto ipam = config.find("ipam")) {
        if (ipam->find("subnet"))
            sets.push_back({read_subnet(*ipam)});
        if (const auto ranges = ipam->find("ranges"))
            read_sets(*ranges, sets);
    }
    refuse_overlap(sets);
    return sets;
}

std::vector<cni::Result::Route> read_routes(const json::Field& config) {
    std::vector<cni::Result::Route> routes;
    const auto ipam = config.find("ipam");
    const auto list = ipam ? ipam->find("routes") : std::nullopt;
    if (list)
        for (const json::Field& route : list->array())
            routes.push_back(cni::read_route(route));
    return routes;
}

json::Value read_resolv_conf(const json::Field& config) {
    const auto ipam = config.find("ipam");
    const auto field = ipam ? ipam->find("resolvConf") : std::nullopt;
    if (!field || field->string().empty())
        return nullptr;
    const auto text = cni::read_file(field->absolute_path("/etc/resolv.conf"));
    if (!text)
        field->fail(field->shown() + " cannot be read; name a file as resolv.conf(5) has it");
    json::Value dns = json::Value::object();
    for (const std::string_view line : parts_of(*text, "\n")) {
        std::vector<std::string_view> words =
            parts_of(line.substr(0, line.find_first_of("#;")), " \t\r\v\f");
        if (words.size() < 2)
            continue;
        const std::string_view key = words.front();
        words.erase(words.begin());
        if (key == "nameserver")
            dns["nameservers"].push_back(words.front());
        else if (key == "domain")
            dns["domain"] = words.front();
        else if (key == "search") // the last such line counts
            dns["search"] = words;
        else if (key == "options")
            for (const std::string_view word : words)
                dns["options"].push_back(word);
    }
    return dns.empty() ? json::Value() : dns;
}

std::vector<ip::Address> read_requested(const json::Field& config,
                                        const cni::Environment& environment) {
    std::vector<ip::Address> requested;
    const auto add = [&](const ip::Address& address) {
        if (std::ranges::find(requested, address) == requested.end())
            requested.push_back(address);
    };
    const auto add_all = [&](const std::optional<json::Field>& place) {
        if (const auto list = place ? place->find("ips") : std::nullopt)
            for (const json::Field& field : list->array())
                add(field.parsed(read_with_or_without_length));
    };
    add_all(config.find("runtimeConfig"));
    if (const auto args = config.find("args"))
        add_all(args->find("cni"));
    if (environment.requested)
        add(*environment.requested);
    return requested;
}

std::vector<ipam::RangeSet> to_ranges(const std::vector<SubnetSet>& sets) {
    std::vector<ipam::RangeSet> ranges;
    for (const SubnetSet& set : sets) {
        ipam::RangeSet& target = ranges.emplace_back();
        for (const Subnet& subnet : set)
            target.push_back(subnet.range);
    }
    return ranges;
}

Identity read_identity(const json::Field& config) {
    Identity identity{.network = cni::read_network(config, longest_network),
                      .data_dir = default_data_dir};
    if (const auto ipam = config.find("ipam"))
        if (const auto folder = ipam->find("dataDir"); folder && !folder->string().empty())
            identity.data_dir = folder->absolute_path(default_data_dir);
    return identity;
}

Settings read_settings(const json::Field& config, const cni::Environment& environment,
                       const std::string& version) {
    config.require("ipam", "say from which ranges addresses are given");
    Settings settings{.identity = read_identity(config),
                      .sets = read_ranges(config),
                      .routes = read_routes(config),
                      .dns = read_resolv_conf(config),
                      .requested = read_requested(config, environment)};
    if (settings.sets.empty())
        throw json::FieldError("ipam.ranges: is missing; name at least one range, such as "
                               "[[{\"subnet\": \"10.1.0.0/16\"}]]");
    refuse_many(settings.sets, version);
    return settings;
}

} // namespace ipam_plugin
