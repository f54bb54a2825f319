#include "cni/version.h"
#include "plugin/config.h"
#include "plugin/error.h"
#include "test/fuzz/expect.h"
#include "test/fuzz/sound.h"

#include <cstddef>
#include <cstdint>

// Any bytes on standard input: either a network configuration that holds together, or an error of
// the kinds that are meant for it.

namespace {

void expect_told(const std::exception& error) {
    const cni::Error told = plugin::describe(error);
    expect(told.code != 99, "the error has a code of its own: " + told.message);
    expect(!told.message.empty() && told.message.size() < 1000, "the message can be read");
    expect(json::parse(cni::to_json(told, "1.1.0")).at("code") == told.code, "the error is JSON");
}

} // namespace

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
    } catch (const json::SyntaxError& error) {
        expect_told(error);
    } catch (const json::FieldError& error) {
        expect_told(error);
    } catch (const cni::VersionError& error) {
        expect_told(error);
    } catch (const plugin::NotReady& error) {
        expect_told(error);
    }
    return 0;
}
