#include "cni/version.h"
#include "plugin/config.h"
#include "plugin/error.h"
#include "test/fuzz/sound.h"
#include "test/fuzz/told.h"

#include <cstddef>
#include <cstdint>

// Any bytes on standard input: either a network configuration that holds together, or an error of
// the kinds that are meant for it.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        json::Value document = json::parse({reinterpret_cast<const char*>(data), size});
        if (document.is_object()) // a fuzzer that opens files is none to run on one's machine
            document["nodesFile"] = "/nowhere/nodes.json";
        const json::Field field(document);
        const cni::Environment environment{cni::Verb::add, {}, {}, {}, {}, {}, {}, {}};
        const plugin::Config config =
            plugin::read_config({environment, field, cni::read_version(field)});
        expect(plugin::read_identity(field).network == config.identity.network,
               "DEL finds the same");
        expect(config.settings.ttl > 0, "packets live");
        expect_sound(config.cluster.listing().nodes);
    } catch (const std::exception& error) {
        expect_told<json::SyntaxError, json::FieldError, cni::VersionError, plugin::NotReady>(
            error, plugin::describe(error));
    }
    return 0;
}
