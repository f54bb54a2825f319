#include "agent/kube_node.h"

#include <algorithm>

namespace agent {

namespace {

std::optional<json::Field> find(const json::Field& object, const char* group, const char* key) {
    const auto place = object.find(group);
    return place ? place->find(key) : std::nullopt;
}

json::Value split(const std::string& text) {
    json::Value list = json::Value::array();
    for (std::size_t start = 0; start <= text.size();) {
        const auto end = std::min(text.find(',', start), text.size());
        std::string item = text.substr(start, end - start);
        std::erase(item, ' ');
        if (!item.empty())
            list.push_back(std::move(item));
        start = end + 1;
    }
    return list;
}

/// The annotation as a list; none where it is not there.
std::optional<json::Value> annotation(const json::Field& object, const char* key) {
    const auto metadata = object.find("metadata");
    const auto annotations = metadata ? metadata->find("annotations") : std::nullopt;
    const auto value = annotations ? annotations->find(key) : std::nullopt;
    return value ? std::optional(split(value->string())) : std::nullopt;
}

/// An address of a family that the mesh has no tunnels for yet is no fault of the Node's.
bool is_v4(const std::string& text) {
    return text.find(':') == std::string::npos;
}

json::Value internal_addresses(const json::Field& object) {
    json::Value list = json::Value::array();
    if (const auto addresses = find(object, "status", "addresses"))
        for (const json::Field& entry : addresses->array()) {
            const auto type = entry.find("type");
            const auto address = entry.find("address");
            // A Node may name several of a family; the first is its own.
            if (type && address && type->string() == "InternalIP" && is_v4(address->string()) &&
                list.empty())
                list.push_back(address->string());
        }
    return list;
}

json::Value pod_cidrs(const json::Field& object) {
    json::Value list = json::Value::array();
    if (const auto cidrs = find(object, "spec", "podCIDRs")) {
        for (const json::Field& cidr : cidrs->array())
            if (is_v4(cidr.string()))
                list.push_back(cidr.string());
    } else if (const auto cidr = find(object, "spec", "podCIDR"); cidr && is_v4(cidr->string())) {
        list.push_back(cidr->string());
    }
    return list;
}

/// Of the node's conditions, the status of that type: "True", "False" or "Unknown".
std::optional<std::string> condition(const json::Field& object, const std::string& type) {
    if (const auto conditions = find(object, "status", "conditions"))
        for (const json::Field& entry : conditions->array())
            if (const auto of = entry.find("type"), status = entry.find("status");
                of && status && of->string() == type)
                return status->string();
    return std::nullopt;
}

void read_node_of(const json::Field& object, Candidate& candidate) {
    // The node controller says so when a kubelet has not reported for a while.
    candidate.silent = condition(object, "Ready") == "Unknown";
    if (const auto unavailable = condition(object, "NetworkUnavailable"))
        candidate.network_available = unavailable == "False";
    const auto given = annotation(object, addresses_annotation);
    candidate.address_from =
        given ? std::string("its annotation ") + addresses_annotation : "its InternalIP";
    const auto own_cidrs = annotation(object, pod_cidrs_annotation);
    candidate.annotated = own_cidrs.has_value();
    json::Value entry{{"name", candidate.name},
                      {"addresses", given ? *given : internal_addresses(object)},
                      {"podCIDRs", own_cidrs ? *own_cidrs : pod_cidrs(object)}};
    if (auto endpoint = annotation(object, endpoint_annotation))
        entry["tunnelAddresses"] = *std::move(endpoint);
    if (entry["addresses"].empty())
        candidate.waits_for = "has no IPv4 address of type InternalIP yet";
    else if (entry["podCIDRs"].empty())
        candidate.waits_for = "has no IPv4 pod CIDR yet";
    else
        candidate.node = mesh::read_node(json::Field(entry));
}

} // namespace

Candidate read_kube_node(const json::Field& object) {
    Candidate candidate{
        .name =
            object.require("metadata", "a Node has it").require("name", "a Node has one").string()};
    try {
        read_node_of(object, candidate);
    } catch (const json::FieldError& error) {
        candidate.waits_for = std::string("cannot be used: ") + error.what();
        candidate.wrong = true;
    }
    return candidate;
}

} // namespace agent
