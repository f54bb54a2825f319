#pragma once

#include <memory>
#include <string>

struct nl_msg;

namespace netlink {

struct MessageDeleter {
    void operator()(nl_msg* message) const;
};
using Message = std::unique_ptr<nl_msg, MessageDeleter>;

/// A message for the kernel and, for its error, what it is meant to do ("make link veth1").
struct Request {
    Message message;
    std::string purpose;
    bool may_fail =
        false; ///< Socket::run overlooks its error: the kernel may lack what it asks for
};

} // namespace netlink
