#include "plugin/config.h"

#include <cstdint>
#include <string_view>

/// Standard input of an ADD: any bytes at all.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const json::Value document = json::parse(text);
        const plugin::Config config = plugin::read_config(json::Field(document));
        // What was accepted keeps what the rest of the program relies on.
        for (const mesh::Node& node : config.nodes)
            if (node.addresses.empty() || node.pod_cidrs.empty() || node.tunnel_addresses.empty())
                __builtin_trap();
    } catch (const json::SyntaxError&) {
    } catch (const json::FieldError&) {
    } catch (const plugin::VersionError&) {
    } catch (const plugin::NotReady&) {
    }
    return 0;
}
