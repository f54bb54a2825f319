#include "ip/cidr.h"

#include <charconv>

namespace ip {

namespace {

std::string quoted(std::string_view text) {
    return '"' + std::string(text) + '"';
}

} // namespace

unsigned parse_length(std::string_view text, const Address& address) {
    const std::string_view digits = text.substr(text.find('/') + 1);
    unsigned length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc{} || end != digits.data() + digits.size() || length > address.bits())
        throw ParseError(quoted(text) + " has no prefix length from 0 to " +
                         std::to_string(address.bits()) + " behind its slash");
    return length;
}

Cidr Cidr::parse(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos)
        throw ParseError(quoted(text) + " is not a CIDR; write one such as 10.10.100.0/24");
    const Address address = Address::parse(text.substr(0, slash));
    const Cidr result(address, parse_length(text, address));
    if (result.network_ != address)
        throw ParseError(quoted(text) + " has host bits set; write " + result.to_string());
    return result;
}

bool Cidr::contains(const Address& address) const {
    return address.family() == family() && address.masked(length_) == network_;
}

bool Cidr::overlaps(const Cidr& other) const {
    return contains(other.network_) || other.contains(network_);
}

std::string Cidr::to_string() const {
    return network_.to_string() + '/' + std::to_string(length_);
}

} // namespace ip
