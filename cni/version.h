#pragma once

#include "json/field.h"

#include <stdexcept>
#include <string>
#include <vector>

namespace cni {

/// The network configuration wants a version of the specification that is not served, or a verb
/// that its version does not have.
class VersionError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The versions of the CNI specification that are served, oldest first.
const std::vector<std::string>& served_versions();

/// Throws VersionError where `version` is none of those, json::FieldError where it is no text.
void require_served(const json::Field& version);

/// `cniVersion`, which is "0.1.0" where it is missing (specification 0.2.0) or empty. Throws
/// VersionError, json::FieldError.
std::string read_version(const json::Field& config);

/// Whether `version` is `other` or later. REQUIRES: both are served.
bool at_least(const std::string& version, const std::string& other);

} // namespace cni
