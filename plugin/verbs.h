#pragma once

#include "cni/run.h"
#include "plugin/config.h"

namespace plugin {

/// Attaches the pod: its document goes to standard output. What it throws leaves nothing behind.
json::Value add(const cni::Call& call, Config config);

/// Takes away all that ADD made, or what is left of it: no namespace, no agent and no result
/// of the ADD is needed, and nothing left to do is no error.
void del(const cni::Call& call, const Identity& identity);

/// Compares the kernel and the leases with what ADD and the plugins behind it made. Throws
/// cni::Failure with the first thing that is wrong; what a later plugin may change is let be.
void check(const cni::Call& call, const Config& config);

/// Takes away what belongs to attachments of this network that are not among the valid ones. Goes
/// on after a failure, and throws them all together.
void gc(const cni::Call& call, const Identity& identity);

/// Throws cni::Failure: not_available where an ADD could not succeed, limited_connectivity where
/// existing pods are cut off too.
void status(const cni::Call& call, const Config& config);

} // namespace plugin
