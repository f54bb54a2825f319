#include "cni/environment.h"
#include "pods/names.h"
#include "test/fuzz/variables.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

// Bytes, split at each NUL, as the values of the CNI_ variables: a checked environment, or the one
// kind of error that is meant for it.

namespace {

bool is_printable(const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 127; });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    take_variables(rest);
    try {
        const cni::Environment environment = cni::read_environment(get_variable);
        using cni::Verb;
        if (environment.verb == Verb::version || environment.verb == Verb::gc ||
            environment.verb == Verb::status)
            return 0;
        expect(!environment.container_id.empty() && environment.container_id.size() <= 240 &&
                   is_printable(environment.container_id) &&
                   environment.container_id.find('/') == std::string::npos,
               "a container ID is a name");
        expect(!environment.interface.empty() && environment.interface.size() <= 15 &&
                   is_printable(environment.interface) &&
                   environment.interface.find_first_of("/:% ") == std::string::npos,
               "an interface name is one for the kernel");
        expect(environment.netns || environment.verb == cni::Verb::del, "an ADD has a namespace");
        expect(pods::host_link_alias("podnet", environment).size() <= 255, "an alias fits");
    } catch (const cni::EnvironmentError& error) {
        const std::string_view message = error.what();
        expect(message.starts_with("CNI_"), "the message names the variable");
        expect(message.size() < 400 && is_printable(error.what()), "the message can be shown");
    }
    return 0;
}
