#pragma once

#include "ip/address.h"

namespace ip {

/// A block of addresses, RFC 4632: a network address without host bits, and a prefix length.
class Cidr {
  public:
    /// 0.0.0.0/0
    Cidr() = default;

    /// Throws ParseError for text that is no CIDR or that has host bits set.
    static Cidr parse(std::string_view text);

    /// The block of `length` bits around `address`. REQUIRES: length <= address.bits().
    Cidr(const Address& address, unsigned length)
        : network_(address.masked(length)), length_(static_cast<std::uint8_t>(length)) {}

    /// The address alone: /32 or /128.
    static Cidr host(const Address& address) { return {address, address.bits()}; }

    const Address& network() const { return network_; }
    unsigned length() const { return length_; }
    Family family() const { return network_.family(); }

    /// The highest address: in IPv4 the directed broadcast of the block.
    Address last() const { return network_.masked(length_, true); }

    bool contains(const Address& address) const;
    bool overlaps(const Cidr& other) const;

    /// "10.10.100.0/24"
    std::string to_string() const;

    auto operator<=>(const Cidr&) const = default;

  private:
    Address network_;
    std::uint8_t length_ = 0;
};

/// The length behind the slash of an address in CIDR notation: 24 of "10.1.2.3/24". Throws
/// ParseError, which quotes all of `text`.
unsigned parse_length(std::string_view text, const Address& address);

} // namespace ip
