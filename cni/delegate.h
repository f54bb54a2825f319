#pragma once

#include "cni/environment.h"
#include "json/field.h"

#include <chrono>
#include <string>

namespace cni {

/// Another plugin that this one runs for part of its work, as section 4 of the specification has
/// it: with the same environment and configuration, found by its type in CNI_PATH.
///
/// Its failure is a Failure of the code that it gave, or of delegate_failed where it gave none:
/// it could not be started, it took longer than `patience` (and was killed with all that it had
/// started), its output is not JSON. what() says which program it was and what it printed.
class Delegate {
  public:
    static constexpr std::chrono::seconds default_patience{60};

    /// Throws Failure where no directory of `path` has it; json::FieldError through `type` where
    /// its name is none.
    Delegate(const json::Field& type, const std::vector<std::string>& path,
             std::chrono::milliseconds patience = default_patience);

    const std::string& program() const { return program_; }

    /// Runs it with CNI_COMMAND `verb`, `config` on its standard input and the rest of the
    /// environment as this process has it. Returns its output, null where that is empty.
    json::Value call(Verb verb, const json::Value& config) const;

  private:
    std::string program_;
    std::chrono::milliseconds patience_;
};

} // namespace cni
