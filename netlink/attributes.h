#pragma once

#include "ip/address.h"
#include "netlink/message.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

// How the files of this room read what the kernel answers. Not for other rooms. libnl's objects
// would do as well, at five times the work: looking at a mesh of thousands would be mostly that.

namespace netlink {

/// The attributes of a message, or those that one of them nests, by their types up to `last`. One
/// that is missing, or too short for what is asked of it, is zero, empty or none. They live as
/// long as the message.
template <int last>
class Attributes {
  public:
    /// Those behind the family header of a message, for instance
    /// Attributes<IFLA_MAX>::behind<ifinfomsg>.
    template <typename Header>
    static Attributes behind(nlmsghdr* message) {
        Attributes result;
        nlmsg_parse(message, sizeof(Header), result.table_.data(), last, nullptr);
        return result;
    }

    /// Those in a row of them, aligned as the kernel does.
    static Attributes in(std::span<const std::uint8_t> row) {
        Attributes result;
        auto* first =
            reinterpret_cast<nlattr*>(const_cast<std::uint8_t*>(row.data())); // reads only
        nla_parse(result.table_.data(), last, first, static_cast<int>(row.size()), nullptr);
        return result;
    }

    /// Those that the attribute `type` nests.
    template <int last_nested>
    Attributes<last_nested> nested(int type) const {
        return Attributes<last_nested>::in(bytes(type));
    }

    std::uint8_t u8(int type) const { return number<std::uint8_t>(type); }
    std::uint32_t u32(int type) const { return number<std::uint32_t>(type); }

    std::span<const std::uint8_t> bytes(int type) const {
        const nlattr* attribute = at(type);
        if (attribute == nullptr)
            return {};
        return {static_cast<const std::uint8_t*>(nla_data(attribute)),
                static_cast<std::size_t>(nla_len(attribute))};
    }

    std::string text(int type) const { return std::string(text_in(at(type))); }

    std::optional<ip::Address> address(int type) const {
        const auto raw = bytes(type);
        if (raw.size() != 4 && raw.size() != 16)
            return std::nullopt;
        return ip::Address::from_bytes(raw);
    }

  private:
    const nlattr* at(int type) const { return table_[static_cast<std::size_t>(type)]; }

    template <typename Number>
    Number number(int type) const {
        Number value = 0;
        if (const auto raw = bytes(type); raw.size() >= sizeof value)
            std::memcpy(&value, raw.data(), sizeof value);
        return value;
    }

    std::array<nlattr*, static_cast<std::size_t>(last) + 1> table_{};
};

} // namespace netlink
