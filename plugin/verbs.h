#pragma once

#include "plugin/config.h"
#include "plugin/environment.h"
#include "json/field.h"

namespace plugin {

/// Attaches the pod: its document goes to standard output. What it throws leaves nothing behind.
json::Value add(const Environment& environment, const Config& config);

/// Takes away all that ADD made, or what is left of it: no namespace, no agent and no result
/// of the ADD is needed, and nothing left to do is no error.
void del(const Environment& environment, const Identity& identity);

} // namespace plugin
