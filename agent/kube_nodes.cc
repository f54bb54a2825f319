#include "agent/kube_nodes.h"

#include "agent/kube_node.h"

#include <utility>

namespace agent {

namespace {

constexpr std::size_t longest_object = 8 << 20; // etcd allows 1.5 MiB

/// A line of the stream; none at its end.
std::optional<std::string> read_line(std::istream& stream) {
    std::string line;
    for (int c = stream.get(); c != std::istream::traits_type::eof(); c = stream.get()) {
        if (c == '\n')
            return line;
        line += static_cast<char>(c);
        if (line.size() > longest_object)
            throw json::SyntaxError("an event of more than 8 MiB, beginning with \"" +
                                    line.substr(0, 200) + '"');
    }
    if (!line.empty())
        throw json::SyntaxError("the connection broke off inside of an event");
    return std::nullopt;
}

} // namespace

std::string KubeNodes::read_page(std::istream& stream) {
    const json::Value rest = json::parse_elements(
        stream, "items", [&](const json::Value& object) { note(listed_, json::Field(object)); });
    const json::Field metadata = json::Field(rest).require("metadata", "a NodeList has it");
    std::string version = metadata.require("resourceVersion", "a NodeList has it").string();
    const auto more = metadata.find("continue");
    std::string next = more ? more->string() : std::string();
    if (next.empty()) {
        nodes_ = std::exchange(listed_, {});
        version_ = std::move(version);
    }
    return next;
}

std::optional<KubeNodes::Event> KubeNodes::read_event(std::istream& stream) {
    const auto line = read_line(stream);
    if (!line)
        return std::nullopt;
    const json::Value event = json::parse(*line);
    return handle(json::Field(event));
}

KubeNodes::Event KubeNodes::handle(const json::Field& event) {
    const std::string& type = event.require("type", "an event has one").string();
    const json::Field object = event.require("object", "an event has one");
    if (type == "ERROR") {
        const auto code = object.find("code");
        throw Refused("the watch ended: " + object.shown(), code && code->value() == 410,
                      std::nullopt);
    }
    const json::Field metadata = object.require("metadata", "an object has it");
    version_ = metadata.require("resourceVersion", "an object has it").string();
    if (type == "BOOKMARK")
        return {.of_a_node = false, .is_news = false};
    const bool is_news = type == "DELETED"
                             ? nodes_.erase(metadata.require("name", "a Node has one").string()) > 0
                             : note(nodes_, object);
    return {.of_a_node = true, .is_news = is_news};
}

bool KubeNodes::note(Nodes& nodes, const json::Field& object) {
    Candidate candidate = read_kube_node(object);
    const auto known = nodes.find(candidate.name);
    if (known != nodes.end() && known->second == candidate)
        return false;
    const std::string name = candidate.name;
    nodes.insert_or_assign(name, std::move(candidate));
    return true;
}

Roster KubeNodes::roster() const {
    Roster roster;
    for (const auto& [name, candidate] : nodes_)
        roster.push_back(candidate);
    return roster;
}

} // namespace agent
