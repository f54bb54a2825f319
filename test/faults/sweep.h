#pragma once

#include "test/faults/fault.h"
#include "test/faults/victim.h"

#include <functional>
#include <string>
#include <vector>

namespace scene {

/// One kind of fault, tried at the first, second, ... of its system calls.
struct Row {
    std::string campaign; ///< under which it is summed up
    Fault fault;
};

/// Lets one fault strike; tells what is wrong afterwards, and whether it was met at all.
using Case = std::function<bool(const Victim& victim, const Fault& fault, Verdict& verdict)>;

/// Each row until its fault is met no longer: as many at a time as there are processors, each on a
/// victim of its own, and a new one after a loss. Fails the test for each case that was not
/// survived, and where there were fewer than `at_least`.
void sweep(Victim::Kind kind, const std::vector<Row>& rows, const Case& act, int at_least);

/// A case outside of a sweep.
void judge(const std::string& campaign, const std::string& name, const Verdict& verdict);

} // namespace scene
