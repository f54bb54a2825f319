#include "netlink/error.h"

#include <cerrno>
#include <cstring>

namespace netlink {

Error::Error(int number, const std::string& tried, const std::string& reason)
    : std::system_error(number, std::generic_category()) {
    const std::string meaning = std::generic_category().message(number);
    sentence_ =
        "cannot " + tried + ": " + (reason.empty() ? meaning : reason + " (" + meaning + ')');
}

void fail(const std::string& tried) {
    throw Error(errno, tried);
}

} // namespace netlink
