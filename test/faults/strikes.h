#pragma once

#include "test/faults/interception.h"
#include "test/faults/victim.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace scene {

/// The calls that are refused, each with one error; refusal_test.cc tries the others on the plugin.
std::vector<int> refused_calls();
/// A refusal of each of those among the calls that were counted.
std::vector<Strike> refusals(const std::map<int, int>& counts);
/// A kill at each of all that were counted.
std::vector<Strike> kills(const std::map<int, int>& counts);

/// Lets one strike; tells what is wrong afterwards, and whether it was met at all.
using StrikeCase = std::function<bool(const Strike& strike, Verdict& verdict)>;
/// A host for cases, one after the other, until one is not survived.
using StrikeScene = std::function<StrikeCase()>;

/// Of these strikes every so many-th, the first included, as IPIP_FAULT_STRIDE says (1): as many at
/// a time as there are processors, each in a scene of its own. Fails the test for each that was not
/// survived, and where not even half were met.
void sweep_strikes(const std::string& campaign, const std::vector<Strike>& strikes,
                   const StrikeScene& scene);

} // namespace scene
