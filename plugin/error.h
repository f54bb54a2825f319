#pragma once

#include <exception>
#include <string>

namespace plugin {

/// An error as the specification's section "Error" has it.
struct CniError {
    unsigned code;
    std::string message;
};

/// The runtime asked for something that the pod does not allow: an interface that is there
/// already, the host's own namespace. Each of these becomes an error of its own code.
class AlreadyAttached : public std::exception {
  public:
    explicit AlreadyAttached(std::string sentence) : sentence_(std::move(sentence)) {}
    const char* what() const noexcept override { return sentence_.c_str(); }

  private:
    std::string sentence_;
};

/// The one table from exceptions to codes. Codes below 100 are the specification's; ours:
/// 100 the kernel refused, 101 no address is free, 102 the address that was asked for cannot be
/// had, 103 something that is not ours is in the way, 104 the kernel has no ipip tunnels, 105 the
/// interface is there already.
CniError to_cni_error(const std::exception& exception);

/// The document that goes to standard output; `version` is the configuration's, if it got so far.
std::string to_json(const CniError& error, const std::string& version);

} // namespace plugin
