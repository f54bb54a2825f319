#pragma once

#include <string>

namespace scene {

/// Takes a module out of the kernel. False where it is built in or in use.
bool unload(const std::string& module);

/// The kernel finds no module to load for as long as this lives.
class ModulesRefused {
  public:
    ModulesRefused();
    ModulesRefused(const ModulesRefused&) = delete;
    ModulesRefused& operator=(const ModulesRefused&) = delete;
    ~ModulesRefused();

  private:
    std::string modprobe_; ///< the program that the kernel runs to load one
};

} // namespace scene
