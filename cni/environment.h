#pragma once

#include "ip/address.h"
#include "ip/mac.h"

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace cni {

/// A CNI_ variable is missing or malformed. what() names variable, value and mend.
class EnvironmentError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

enum class Verb { add, del, check, gc, status, version };

/// As CNI_COMMAND has it: "ADD".
std::string_view name(Verb verb);

/// The parameters that the runtime passes in the environment, CNI specification 1.1.0 section 2.
/// Which of them are there depends on the verb; those that are have been checked.
struct Environment {
    Verb verb;
    std::string container_id;
    std::string interface;                   ///< the name that the pod's end gets
    std::optional<std::string> netns;        ///< path of the pod's namespace; DEL may lack it
    std::vector<std::string> path;           ///< CNI_PATH: directories with plugins
    std::map<std::string, std::string> args; ///< CNI_ARGS
    std::optional<ip::Address> requested;    ///< the pod's address, from IP in CNI_ARGS
    std::optional<ip::Mac> mac;              ///< the pod's, from MAC in CNI_ARGS
};

/// `get` answers as getenv(3) does. Throws EnvironmentError.
Environment read_environment(const char* (*get)(const char*));

} // namespace cni
