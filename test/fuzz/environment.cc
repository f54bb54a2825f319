#include "plugin/environment.h"
#include "plugin/names.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

namespace {

constexpr std::array<const char*, 5> names{"CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME",
                                           "CNI_NETNS", "CNI_ARGS"};
std::array<std::string, names.size()> values;

const char* get(const char* name) {
    for (std::size_t i = 0; i < names.size(); ++i)
        if (std::strcmp(names[i], name) == 0)
            return values[i].c_str();
    return nullptr;
}

} // namespace

/// The variables of a call, a line each.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    std::size_t at = 0;
    for (std::string& value : values) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        value = text.substr(std::min(at, text.size()), end - std::min(at, text.size()));
        at = end + 1;
    }
    try {
        const plugin::Environment environment = plugin::read_environment(get);
        if (environment.verb != plugin::Verb::version &&
            (environment.interface.size() > 15 ||
             environment.interface.find('/') != std::string::npos ||
             plugin::host_link_alias("podnet", environment).size() > 255))
            __builtin_trap();
    } catch (const plugin::EnvironmentError&) {
    }
    return 0;
}
