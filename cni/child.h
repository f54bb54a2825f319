#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace cni {

/// How a program that was run came to its end.
struct Ended {
    std::string output; ///< standard output, at most `output_limit` bytes
    std::string log;    ///< standard error, likewise
    int status = 0;     ///< as waitpid(2) has it
    /// Why it was killed.
    enum class Cut { no, too_long, too_much } cut = Cut::no;
};

constexpr std::size_t output_limit = std::size_t{16} << 20;

/// Runs `program` without arguments, with `environment` and with `input` on its standard input, in
/// a process group of its own, which is killed when `patience` is over: also what the program
/// started and left behind does not outlive it then. Children of this process are no longer
/// ignored (SIGCHLD). Throws std::system_error where it cannot be started.
Ended run_child(const std::string& program, const std::vector<std::string>& environment,
                const std::string& input, std::chrono::milliseconds patience);

} // namespace cni
