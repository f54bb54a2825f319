#pragma once

#include <string>
#include <system_error>

namespace netlink {

/// The kernel refused something. what() says what was tried, the kernel's own sentence where it
/// gave one, and the errno's: "cannot add route 10.1.0.0/16: Nexthop has invalid gateway
/// (Network is unreachable)".
class Error : public std::system_error {
  public:
    /// `number` is a positive errno; `tried` completes "cannot ..."; `reason` may be empty.
    Error(int number, const std::string& tried, const std::string& reason = {});

    int number() const { return code().value(); }
    const char* what() const noexcept override { return sentence_.c_str(); }

  private:
    std::string sentence_;
};

/// The calling thread's errno as an Error.
[[noreturn]] void fail(const std::string& tried);

} // namespace netlink
