#pragma once

#include <exception>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

// Throw-away network namespaces, and the kernel's state in them as iproute2 and nft tell it: the
// tests' own eyes, which share nothing with the code under test.

namespace scene {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

/// The result of a system call. Throws std::system_error where it is negative.
int checked(long result, const char* tried);

/// "ip -j link" -> {"ip", "-j", "link"}; there is no quoting.
Words split(const std::string& line);

/// How a program ended and what it wrote.
struct Output {
    int status; ///< 128 + the signal's number for one that was killed
    std::string out;
    std::string err;
};

/// A program to be run in a namespace.
struct Program {
    Words words;
    std::string input = {};             ///< its standard input
    Words environment = {};             ///< "KEY=value"; empty: the test's own
    std::function<void()> prepare = {}; ///< called in the new process, in the namespace
};

/// A network namespace of its own, with its loopback device up and nothing forwarded. Nothing
/// bears its name: it is gone with the last process and device that use it, also after a crash.
class Namespace {
  public:
    Namespace();
    Namespace(Namespace&& other) noexcept;
    Namespace& operator=(Namespace&&) = delete;
    ~Namespace();

    int fd() const { return fd_; }
    /// Leads to it while this object lives, from any process.
    std::string path() const;

    /// Runs a program in it, with `input` as its standard input.
    Output run(const Program& program) const;
    Output run(const Words& words, const std::string& input = {}) const {
        return run(Program{.words = words, .input = input});
    }
    Output run(const std::string& line, const std::string& input = {}) const {
        return run(split(line), input);
    }
    /// What the program writes, which must succeed, as JSON. Throws std::runtime_error.
    Json json(const std::string& line) const;
    /// Commands of ip(8), one a line, by one start of it; all must succeed. Returns what each that
    /// shows something shows. Throws std::runtime_error.
    std::vector<Json> ip(const std::string& lines) const;

    /// Calls `act` in it, on a thread of its own; returns or throws what it does.
    template <typename Act>
    std::invoke_result_t<Act> in(Act act) const;

    /// "1" for sysctl("net/ipv4/ip_forward"); empty where there is none.
    std::string sysctl(const std::string& name) const;
    void set_sysctl(const std::string& name, const std::string& value) const;

    /// All that the project could have changed in it: links, addresses, routes of all tables,
    /// rules, permanent neighbours, nftables, forwarding and source checks.
    Json state() const;

  private:
    int fd_;
};

/// The calling thread visits a namespace for as long as this lives.
class Visit {
  public:
    explicit Visit(const Namespace& space);
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit();

  private:
    int home_;
};

/// Whether `holds` comes to be true while one waits for it; nothing is asserted about how long.
bool comes_true(const std::function<bool()>& holds);

/// How many processes wait for a lock of the file, as /proc/locks tells.
int waiting_for(const std::filesystem::path& file);

/// Runs `act(0)` ... `act(count - 1)` at once, each in a process of its own; returns their results,
/// 0 to 99. One that throws says so on standard error, and its result is 100.
std::vector<int> in_processes(int count, const std::function<int(int)>& act);

/// The first entry of a list whose `key` is `value`; null where there is none.
Json find(const Json& list, const std::string& key, const Json& value);

template <typename Act>
std::invoke_result_t<Act> Namespace::in(Act act) const {
    using Result = std::invoke_result_t<Act>;
    std::exception_ptr error;
    std::conditional_t<std::is_void_v<Result>, int, std::vector<Result>> result{};
    std::thread([&] {
        try {
            const Visit here(*this);
            if constexpr (std::is_void_v<Result>)
                act();
            else
                result.push_back(act());
        } catch (...) {
            error = std::current_exception();
        }
    }).join();
    if (error)
        std::rethrow_exception(error);
    if constexpr (!std::is_void_v<Result>)
        return std::move(result.front());
}

} // namespace scene
