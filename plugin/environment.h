#pragma once

#include "ip/address.h"

#include <map>
#include <optional>
#include <stdexcept>
#include <string>

namespace plugin {

/// A CNI_ variable is missing or malformed. what() names variable, value and mend.
class EnvironmentError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

enum class Verb { add, del, version };

/// The parameters that the runtime passes in the environment, CNI specification 1.1.0 section 2.
/// Which of them are there depends on the verb; those that are have been checked.
struct Environment {
    Verb verb;
    std::string container_id;
    std::string interface;                   ///< the name that the pod's end gets
    std::optional<std::string> netns;        ///< path of the pod's namespace; DEL may lack it
    std::map<std::string, std::string> args; ///< CNI_ARGS
    std::optional<ip::Address> requested;    ///< the pod's address, from IP in CNI_ARGS
};

/// `get` answers as getenv(3) does. Throws EnvironmentError.
Environment read_environment(const char* (*get)(const char*));

} // namespace plugin
