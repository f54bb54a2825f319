#include "cni/version.h"
#include "plugin/config.h"
#include "plugin/error.h"
#include "test/fuzz/expect.h"
#include "test/fuzz/sound.h"

#include <algorithm>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

// Any bytes as the nodes file, read as an ADD does: a cluster that holds together, whichever order
// its nodes are in, and that is the same when written down and read again; or an error that names
// file and key.

namespace {

json::Value written(const std::vector<mesh::Node>& nodes) {
    json::Value list = json::Value::array();
    for (const mesh::Node& node : nodes)
        list.push_back(mesh::to_json(node));
    return list;
}

void expect_same_again(std::vector<mesh::Node> nodes) {
    json::Value list = written(nodes);
    expect(mesh::read_nodes(json::Field(list)) == nodes, "what is written is what was read");
    std::ranges::reverse(nodes);
    list = written(nodes);
    expect(mesh::read_nodes(json::Field(list)) == nodes, "the order is of no account");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const int file = ::memfd_create("nodes", MFD_CLOEXEC);
    static const std::string path = "/proc/self/fd/" + std::to_string(file);
    static const json::Value document{{"name", "podnet"}, {"nodesFile", path}};
    expect(::ftruncate(file, 0) == 0 && ::pwrite(file, data, size, 0) == static_cast<ssize_t>(size),
           "the file is written");
    const json::Field field(document);
    const cni::Environment environment{cni::Verb::add, {}, {}, {}, {}, {}, {}, {}};
    const plugin::Config config =
        plugin::read_config({environment, field, cni::read_version(field)});
    try {
        const auto& [nodes, self] = config.cluster.listing();
        expect_sound(nodes);
        expect_same_again(nodes);
    } catch (const json::FieldError& error) {
        const cni::Error told = plugin::describe(error);
        expect(told.message.starts_with("nodesFile: " + path), "the error names the file");
        expect(told.message.size() < 1000, "the message can be read");
        expect(told.code == 7 || told.code == 2, "the code is that of a configuration");
    }
    return 0;
}
