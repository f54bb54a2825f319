#pragma once

#include "cni/environment.h"
#include "cni/error.h"
#include "json/field.h"

#include <string>

namespace cni {

/// One call of a plugin: what the runtime said in the environment and on standard input.
struct Call {
    const Environment& environment;
    const json::Field& config;
    std::string version; ///< of the specification, which `config` asks for
};

/// What makes a program a plugin: a method for each verb (specification section 3). What they throw
/// becomes the error that goes to standard output.
class Plugin {
  public:
    virtual ~Plugin() = default;

    /// Returns the result. What it throws leaves nothing behind.
    virtual json::Value add(const Call& call) = 0;
    /// Takes away all that ADD made, or what is left of it; nothing left is no error.
    virtual void del(const Call& call) = 0;
    virtual void check(const Call& call) = 0;
    virtual void gc(const Call& call) = 0;
    virtual void status(const Call& call) = 0;

    /// Code and message of what one of these threw.
    virtual Error describe(const std::exception& exception) const = 0;
};

/// One call: `get_variable` answers as getenv(3) does; from the descriptor `input` comes the
/// network configuration, to `output` goes the result or the error. Returns the exit status. Throws
/// nothing.
int run(Plugin& plugin, const char* (*get_variable)(const char*), int input, int output);

/// The same with what the process was given, and its end. `plugin` is not destroyed: the kernel
/// takes back what a process has at once, while closing it by hand is a twentieth of an ADD.
[[noreturn]] void run_and_exit(Plugin& plugin);

} // namespace cni
