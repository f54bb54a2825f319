#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace ip {

enum class Family : std::uint8_t { v4, v6 };

/// "IPv4" or "IPv6".
std::string_view name(Family family);

/// A text that is not what it should be. what() quotes the text and says the mend.
class ParseError : public std::invalid_argument {
  public:
    using std::invalid_argument::invalid_argument;
};

/// An IPv4 or IPv6 address: a value, 17 bytes, in network byte order.
class Address {
  public:
    /// 0.0.0.0
    Address() = default;

    /// Text as inet_pton(3) takes it: dotted quad or RFC 4291 section 2.2.
    /// Throws ParseError; also for an IPv4-mapped IPv6 address, which no interface can bear.
    static Address parse(std::string_view text);

    /// `bytes` are 4 or 16 in network byte order; throws std::invalid_argument for other sizes.
    static Address from_bytes(std::span<const std::uint8_t> bytes) {
        Address result;
        if (bytes.size() == 16)
            result.family_ = Family::v6;
        else if (bytes.size() != 4)
            refuse_size(bytes.size());
        std::memcpy(result.bytes_.data(), bytes.data(), bytes.size());
        return result;
    }

    Family family() const { return family_; }

    /// 4 or 16 bytes in network byte order; they live as long as the address.
    std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size()}; }

    /// Number of bits: 32 or 128.
    unsigned bits() const { return static_cast<unsigned>(size() * 8); }

    /// The address after this one; none after the last of the family.
    std::optional<Address> next() const;

    /// The first `length` bits kept and all after them 0 or, with `fill`, 1.
    /// REQUIRES: length <= bits().
    Address masked(unsigned length, bool fill = false) const;

    /// RFC 5952 for IPv6.
    std::string to_string() const;

    /// IPv4 before IPv6, then by value.
    auto operator<=>(const Address&) const = default;

  private:
    [[noreturn]] static void refuse_size(std::size_t size);
    std::size_t size() const { return family_ == Family::v4 ? 4 : 16; }

    Family family_ = Family::v4;
    std::array<std::uint8_t, 16> bytes_{}; // an IPv4 address leaves the last 12 at 0
};

} // namespace ip
