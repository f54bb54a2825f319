#pragma once

#include "cni/error.h"

#include <exception>
#include <string>

namespace plugin {

/// The pod has an interface of the wanted name already.
class AlreadyAttached : public std::exception {
  public:
    explicit AlreadyAttached(std::string sentence) : sentence_(std::move(sentence)) {}
    const char* what() const noexcept override { return sentence_.c_str(); }

  private:
    std::string sentence_;
};

/// The one table from exceptions to codes, over those of cni and ipam_plugin. Codes below 100 are
/// the specification's; ours: 100 the kernel refused, 103 something that is not ours is in the way,
/// 104 the kernel has no ipip tunnels, 105 the interface is there already.
cni::Error describe(const std::exception& exception);

} // namespace plugin
