#pragma once

#include "json/field.h"

#include <map>
#include <string>

namespace plugin {

using Variables = std::map<std::string, std::string>;

/// getenv(3) for `variables`, as the plugin takes it: one set at a time.
using Get = const char* (*)(const char*);
Get environment_of(Variables variables);

/// What a runtime passes for an ADD, with some of it changed; an empty value takes one away.
Variables add_variables(const Variables& changes = {});

/// A configuration of two nodes that no kernel has a say in, with some of its members replaced.
json::Value configuration(const std::string& replacements = "{}");

/// How a call of the plugin ended, as its runtime sees it.
struct Outcome {
    int status;
    std::string output; ///< all of standard output
    std::string log;    ///< all of standard error

    /// The one document on standard output; a discarded value where that is not what is there.
    json::Value document() const;
    unsigned code() const;
    std::string message() const;
};

Outcome call(const Variables& variables, const std::string& input);

} // namespace plugin
