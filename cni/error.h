#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace cni {

/// An error as the specification's section "Error" has it.
struct Error {
    unsigned code;
    std::string message;
    std::string details = {};
};

/// A failure whose code is decided where it is met: what another plugin answered, what STATUS
/// found.
class Failure : public std::runtime_error {
  public:
    Failure(unsigned code, const std::string& message) : std::runtime_error(message), code_(code) {}

    unsigned code() const { return code_; }

  private:
    unsigned code_;
};

// Codes of the specification for STATUS, and ours for what concerns other plugins.
constexpr unsigned not_available = 50;
constexpr unsigned limited_connectivity = 51;
constexpr unsigned check_failed = 106;
constexpr unsigned delegate_failed = 107;

/// The code of what the protocol itself can meet; 5 for a failing system call, 99 for what is
/// not known.
unsigned code_of(const std::exception& exception);

/// The document that goes to standard output; `version` is the configuration's, if it got so far.
std::string to_json(const Error& error, const std::string& version);

/// Goes on after a failure, and reports them all in the end.
class Failures {
  public:
    template <typename Step>
    void attempt(Step step) {
        try {
            step();
        } catch (const std::exception& error) {
            if (!first_)
                first_ = std::current_exception();
            else
                others_.emplace_back(error.what());
            all_ += (all_.empty() ? "" : "; ") + std::string(error.what());
        }
    }

    /// Throws nothing where nothing failed, what failed where that is one, and MoreFailures with
    /// the first in its place otherwise.
    void report() const;

  private:
    std::exception_ptr first_;
    std::vector<std::string> others_;
    std::string all_; ///< their sentences
};

/// Several failures of one call, of which the first decides. what() has all of them.
class MoreFailures : public std::runtime_error {
  public:
    MoreFailures(const std::string& all, std::exception_ptr first, std::vector<std::string> others)
        : runtime_error(all), first_(std::move(first)), others_(std::move(others)) {}

    const std::exception_ptr& first() const { return first_; }
    const std::vector<std::string>& others() const { return others_; }

  private:
    std::exception_ptr first_;
    std::vector<std::string> others_;
};

} // namespace cni
