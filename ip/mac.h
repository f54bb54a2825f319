#pragma once

#include "ip/address.h"

namespace ip {

/// An Ethernet address.
struct Mac {
    std::array<std::uint8_t, 6> bytes{};

    /// "02:42:ac:11:00:02", also with dashes. Throws ParseError; also for a group address or
    /// all zeroes, which no interface can bear.
    static Mac parse(std::string_view text);

    std::string to_string() const;

    auto operator<=>(const Mac&) const = default;
};

} // namespace ip
