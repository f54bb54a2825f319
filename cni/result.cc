#include "cni/result.h"

#include "cni/version.h"

#include <array>
#include <limits>
#include <utility>

namespace cni {

namespace {

using RouteNumber = std::optional<std::uint32_t> Result::Route::*;
constexpr std::array<std::pair<const char*, RouteNumber>, 5> route_numbers{
    {{"mtu", &Result::Route::mtu},
     {"advmss", &Result::Route::advmss},
     {"priority", &Result::Route::priority},
     {"table", &Result::Route::table},
     {"scope", &Result::Route::scope}}};

bool is_legacy(const std::string& version) {
    return !at_least(version, "0.3.0");
}

const char* family_key(ip::Family family) {
    return family == ip::Family::v4 ? "ip4" : "ip6";
}

std::string with_length(const Result::Address& address) {
    return address.address.to_string() + '/' + std::to_string(address.prefix);
}

json::Value describe(const Result::Route& route, bool with_numbers) {
    json::Value entry{{"dst", route.destination.to_string()}};
    if (route.gateway)
        entry["gw"] = route.gateway->to_string();
    for (const auto& [key, member] : route_numbers)
        if (const auto& number = route.*member; number && with_numbers)
            entry[key] = *number;
    return entry;
}

/// Versions 0.1.0 and 0.2.0: one address a family, under the family's own key.
json::Value to_legacy(const Result& result) {
    json::Value document = json::Value::object();
    for (const Result::Address& address : result.addresses) {
        const char* key = family_key(address.address.family());
        if (document.contains(key))
            continue;
        json::Value entry{{"ip", with_length(address)}};
        if (address.gateway)
            entry["gateway"] = address.gateway->to_string();
        for (const Result::Route& route : result.routes)
            if (route.destination.family() == address.address.family())
                entry["routes"].push_back(describe(route, false));
        document[key] = std::move(entry);
    }
    return document;
}

json::Value describe(const Result::Interface& interface, bool with_mtu) {
    json::Value entry{{"name", interface.name}};
    if (!interface.mac.empty())
        entry["mac"] = interface.mac;
    if (interface.mtu && with_mtu)
        entry["mtu"] = *interface.mtu;
    if (!interface.sandbox.empty())
        entry["sandbox"] = interface.sandbox;
    return entry;
}

json::Value to_current(const Result& result, const std::string& version) {
    const bool newest = at_least(version, "1.1.0");
    json::Value interfaces = json::Value::array();
    for (const Result::Interface& interface : result.interfaces)
        interfaces.push_back(describe(interface, newest));
    json::Value ips = json::Value::array();
    for (const Result::Address& address : result.addresses) {
        json::Value entry{{"address", with_length(address)}};
        if (address.gateway)
            entry["gateway"] = address.gateway->to_string();
        if (address.interface)
            entry["interface"] = *address.interface;
        if (!at_least(version, "1.0.0"))
            entry["version"] = address.address.family() == ip::Family::v4 ? "4" : "6";
        ips.push_back(std::move(entry));
    }
    json::Value routes = json::Value::array();
    for (const Result::Route& route : result.routes)
        routes.push_back(describe(route, newest));
    json::Value document{{"ips", std::move(ips)}};
    if (!interfaces.empty())
        document["interfaces"] = std::move(interfaces);
    if (!routes.empty())
        document["routes"] = std::move(routes);
    return document;
}

ip::Address read_address(const json::Field& field) {
    return field.parsed(ip::Address::parse);
}

/// "10.1.2.3/24": an address and the length of its network's prefix.
Result::Address read_with_length(const json::Field& field) {
    return field.parsed([](std::string_view text) {
        const auto slash = text.find('/');
        const ip::Address address = ip::Address::parse(text.substr(0, slash));
        return Result::Address{.address = address,
                               .prefix = slash == std::string_view::npos
                                             ? address.bits()
                                             : ip::parse_length(text, address),
                               .gateway = {},
                               .interface = {}};
    });
}

template <typename Read>
void read_list(const json::Field& document, const char* key, Read read) {
    if (const auto list = document.find(key))
        for (const json::Field& element : list->array())
            read(element);
}

Result read_legacy(const json::Field& document) {
    Result result;
    for (const ip::Family family : {ip::Family::v4, ip::Family::v6}) {
        const auto entry = document.find(family_key(family));
        if (!entry)
            continue;
        result.addresses.push_back(
            read_with_length(entry->require("ip", "an address with its length")));
        if (const auto gateway = entry->find("gateway"))
            result.addresses.back().gateway = read_address(*gateway);
        read_list(*entry, "routes",
                  [&](const json::Field& route) { result.routes.push_back(read_route(route)); });
    }
    return result;
}

Result::Interface read_interface(const json::Field& entry) {
    Result::Interface interface {
        .name = entry.require("name", "an interface has one").string(), .mac = {}, .mtu = {},
        .sandbox = {}
    };
    if (const auto mac = entry.find("mac"))
        interface.mac = mac->string();
    if (const auto mtu = entry.find("mtu"))
        interface.mtu =
            static_cast<std::uint32_t>(mtu->integer(0, std::numeric_limits<std::int32_t>::max()));
    if (const auto sandbox = entry.find("sandbox"))
        interface.sandbox = sandbox->string();
    return interface;
}

Result read_current(const json::Field& document) {
    Result result;
    read_list(document, "interfaces", [&](const json::Field& entry) {
        result.interfaces.push_back(read_interface(entry));
    });
    read_list(document, "ips", [&](const json::Field& entry) {
        Result::Address address =
            read_with_length(entry.require("address", "an address with its length"));
        if (const auto gateway = entry.find("gateway"))
            address.gateway = read_address(*gateway);
        if (const auto index = entry.find("interface")) {
            const auto number = index->integer(-1, std::numeric_limits<std::int32_t>::max());
            if (number >= static_cast<std::int64_t>(result.interfaces.size()))
                index->fail(index->shown() + " is the index of no entry of \"interfaces\"");
            if (number >= 0) // some plugins say -1 for none
                address.interface = static_cast<std::size_t>(number);
        }
        result.addresses.push_back(address);
    });
    read_list(document, "routes",
              [&](const json::Field& route) { result.routes.push_back(read_route(route)); });
    return result;
}

} // namespace

ip::Cidr everything(ip::Family family) {
    return ip::Cidr::parse(family == ip::Family::v4 ? "0.0.0.0/0" : "::/0");
}

json::Value to_json(const Result& result, const std::string& version) {
    json::Value document = is_legacy(version) ? to_legacy(result) : to_current(result, version);
    document["cniVersion"] = version;
    document["dns"] = result.dns.is_null() ? json::Value::object() : result.dns;
    return document;
}

Result::Route read_route(const json::Field& route) {
    const Result::Address destination =
        read_with_length(route.require("dst", "a route has a destination, such as \"0.0.0.0/0\""));
    Result::Route read{.destination = {destination.address, destination.prefix}};
    if (const auto gateway = route.find("gw"))
        read.gateway = read_address(*gateway);
    for (const auto& [key, member] : route_numbers)
        if (const auto number = route.find(key))
            read.*member = static_cast<std::uint32_t>(
                number->integer(0, std::numeric_limits<std::uint32_t>::max()));
    return read;
}

Result read_result(const json::Field& document, const std::string& version) {
    Result result = is_legacy(version) ? read_legacy(document) : read_current(document);
    if (const auto dns = document.find("dns"); dns && !dns->object().empty())
        result.dns = dns->value();
    return result;
}

std::optional<Result> read_previous(const json::Field& config, const std::string& version) {
    const auto previous = config.find("prevResult");
    if (!previous)
        return std::nullopt;
    if (const auto theirs = previous->find("cniVersion");
        theirs && !theirs->string().empty() && theirs->string() != version)
        theirs->fail(theirs->shown() + " is not the configuration's cniVersion, \"" + version +
                     "\"; a runtime converts the result to it");
    return read_result(*previous, version);
}

json::Value merge(const json::Value& previous, json::Value own) {
    json::Value document = previous;
    if (!own.contains("ips")) { // versions with room for one address a family: the first stays
        for (const auto& [key, value] : own.items())
            if (!document.contains(key) || document.at(key).is_null())
                document[key] = value;
        document["cniVersion"] = own.at("cniVersion");
        return document;
    }
    const std::size_t before =
        previous.contains("interfaces") ? previous.at("interfaces").size() : 0;
    for (json::Value& entry : own.at("ips"))
        if (entry.contains("interface"))
            entry["interface"] = entry.at("interface").get<std::size_t>() + before;
    for (const char* key : {"interfaces", "ips", "routes"})
        for (json::Value& entry : own[key])
            document[key].push_back(std::move(entry));
    if (!own.at("dns").empty() || !document.contains("dns") || document.at("dns").is_null())
        document["dns"] = own.at("dns");
    document["cniVersion"] = own.at("cniVersion");
    return document;
}

} // namespace cni
