#include "ip/mac.h"

#include <charconv>

namespace ip {

Mac Mac::parse(std::string_view text) {
    const std::string quoted = '"' + std::string(text) + '"';
    Mac result;
    bool good = text.size() == 17;
    for (std::size_t i = 0; good && i < 6; ++i) {
        const char* digits = text.data() + i * 3;
        good = std::from_chars(digits, digits + 2, result.bytes[i], 16).ptr == digits + 2 &&
               (i == 5 || digits[2] == ':' || digits[2] == '-');
    }
    if (!good)
        throw ParseError(quoted + " is not a MAC address; write one such as 02:42:ac:11:00:02");
    if ((result.bytes[0] & 1) != 0 || result == Mac{})
        throw ParseError(quoted + " is not the address of one interface; write one such as "
                                  "02:42:ac:11:00:02, whose first byte is even");
    return result;
}

std::string Mac::to_string() const {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text += text.empty() ? "" : ":";
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

} // namespace ip
