#pragma once

#include <iosfwd>

namespace plugin {

/// One call of the plugin: `get_variable` answers as getenv(3) does, `input` is the network
/// configuration, `output` takes the result or the error. Returns the exit status. Throws nothing.
int run(const char* (*get_variable)(const char*), std::istream& input, std::ostream& output);

} // namespace plugin
