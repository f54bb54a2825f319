#include "agent/nodes_file.h"

#include "agent/atomic_file.h"
#include "mesh/cluster.h"

namespace agent {

namespace {

/// One node a line, and one at a time: a document of thousands takes ten times as much memory.
std::string list_of(const std::vector<mesh::Node>& nodes) {
    std::string text = "[";
    for (const mesh::Node& node : nodes)
        text += (&node == nodes.data() ? "\n" : ",\n") + mesh::to_json(node).dump();
    return text + ']';
}

} // namespace

std::optional<NodesFile::Content> NodesFile::read() const {
    const auto text = read_file(path_);
    if (!text)
        return std::nullopt;
    const json::Value document = json::parse(*text);
    const json::Field root(document);
    const auto self = root.find("self");
    const auto left_out = root.find("leftOut");
    return Content{.nodes = mesh::read_nodes(root.require("nodes", "ipipd writes it")),
                   .left_out = left_out ? mesh::read_nodes(*left_out) : std::vector<mesh::Node>(),
                   .self = self ? self->string() : std::string()};
}

std::string NodesFile::write(const std::vector<mesh::Node>& nodes,
                             const std::vector<mesh::Node>& left_out, const std::string& self) {
    std::string text = "{";
    if (!self.empty())
        text += "\"self\":" + json::Value(self).dump() + ',';
    if (!left_out.empty())
        text += "\"leftOut\":" + list_of(left_out) + ',';
    put_file(path_, text + "\"nodes\":" + list_of(nodes) + "}\n", 0644);
    return version_ = mesh::file_version(path_);
}

bool NodesFile::is_as_written() const {
    return !version_.empty() && mesh::file_version(path_) == version_;
}

} // namespace agent
