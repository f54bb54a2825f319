#include "plugin/result.h"

#include "ip/cidr.h"

namespace plugin {

namespace {

std::string everything(ip::Family family) {
    return family == ip::Family::v4 ? "0.0.0.0/0" : "::/0";
}

std::string with_length(const ip::Address& address) {
    return ip::Cidr::host(address).to_string();
}

/// Versions 0.1.0 and 0.2.0: one address a family, under the family's own key.
json::Value to_legacy(const Result& result) {
    json::Value document = json::Value::object();
    for (const auto& [address, gateway] : result.addresses)
        document[address.family() == ip::Family::v4 ? "ip4" : "ip6"] = {
            {"ip", with_length(address)},
            {"gateway", gateway.to_string()},
            {"routes", {{{"dst", everything(address.family())}, {"gw", gateway.to_string()}}}}};
    return document;
}

json::Value describe(const Result::Interface& interface, bool with_mtu) {
    json::Value entry{{"name", interface.name}, {"mac", interface.mac.to_string()}};
    if (with_mtu)
        entry["mtu"] = interface.mtu;
    return entry;
}

json::Value to_current(const Result& result, bool with_mtu, bool with_family) {
    json::Value host = describe(result.host, with_mtu);
    json::Value pod = describe(result.pod, with_mtu);
    pod["sandbox"] = result.sandbox;
    json::Value ips = json::Value::array();
    json::Value routes = json::Value::array();
    for (const auto& [address, gateway] : result.addresses) {
        json::Value entry{
            {"address", with_length(address)}, {"gateway", gateway.to_string()}, {"interface", 1}};
        if (with_family)
            entry["version"] = address.family() == ip::Family::v4 ? "4" : "6";
        ips.push_back(std::move(entry));
        routes.push_back({{"dst", everything(address.family())}, {"gw", gateway.to_string()}});
    }
    return {{"interfaces", {std::move(host), std::move(pod)}},
            {"ips", std::move(ips)},
            {"routes", std::move(routes)}};
}

} // namespace

json::Value to_json(const Result& result, const std::string& version) {
    const bool legacy = version == "0.1.0" || version == "0.2.0";
    const bool with_family = version.starts_with("0."); // dropped by 1.0.0
    const bool with_mtu = version == "1.1.0";           // added by it
    json::Value document = legacy ? to_legacy(result) : to_current(result, with_mtu, with_family);
    document["cniVersion"] = version;
    document["dns"] = result.dns.is_null() ? json::Value::object() : result.dns;
    return document;
}

} // namespace plugin
