#include "ip/address.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>

namespace ip {

std::string_view name(Family family) {
    return family == Family::v4 ? "IPv4" : "IPv6";
}

Address Address::parse(std::string_view text) {
    const std::string copy(text); // inet_pton wants a terminator; an inner NUL must not pass
    Address result;
    result.family_ = text.find(':') == std::string_view::npos ? Family::v4 : Family::v6;
    const int af = result.family_ == Family::v4 ? AF_INET : AF_INET6;
    if (copy.find('\0') != std::string::npos ||
        inet_pton(af, copy.c_str(), result.bytes_.data()) != 1)
        throw ParseError('"' + copy + "\" is not an IP address; write one such as 10.10.100.10");
    constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (result.family_ == Family::v6 && std::ranges::equal(mapped, result.bytes().first(12)))
        throw ParseError('"' + copy + "\" is an IPv4-mapped address; write " +
                         from_bytes(result.bytes().subspan(12)).to_string());
    return result;
}

void Address::refuse_size(std::size_t size) {
    throw std::invalid_argument("an IP address has 4 or 16 bytes, not " + std::to_string(size));
}

std::optional<Address> Address::next() const {
    Address result = *this;
    for (std::size_t i = size(); i-- > 0;)
        if (++result.bytes_[i] != 0)
            return result;
    return std::nullopt;
}

Address Address::masked(unsigned length, bool fill) const {
    Address result = *this;
    for (std::size_t i = 0; i < size(); ++i) {
        const unsigned kept = std::clamp<unsigned>(length, static_cast<unsigned>(i * 8),
                                                   static_cast<unsigned>(i * 8 + 8)) -
                              static_cast<unsigned>(i * 8);
        const auto rest = static_cast<std::uint8_t>(0xffU >> kept);
        result.bytes_[i] = static_cast<std::uint8_t>(fill ? bytes_[i] | rest : bytes_[i] & ~rest);
    }
    return result;
}

std::string Address::to_string() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (family_ == Family::v6) {
        inet_ntop(AF_INET6, bytes_.data(), text.data(), text.size());
        return text.data();
    }
    char* end = text.data(); // inet_ntop(3) of IPv4 is sprintf(3): a tenth of an ADD's own work
    for (const std::uint8_t byte : bytes()) {
        end = std::to_chars(end, text.data() + text.size(), byte).ptr;
        *end++ = '.';
    }
    return {text.data(), end - 1};
}

} // namespace ip
