#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// A 64-bit fingerprint, for names that must differ and for telling whether something changed.
/// Not for anything that an adversary may choose.
class Hash {
  public:
    /// The pieces are kept apart: "ab" + "c" is not "a" + "bc".
    Hash& add(std::string_view piece) {
        for (const char byte : piece)
            mix(static_cast<std::uint8_t>(byte));
        mix(0); // no piece holds a NUL
        return *this;
    }

    std::uint64_t value() const {
        // FNV-1a alone leaves the last bytes' traces in few bits; the finalizer of MurmurHash3
        // spreads them over all 64, so that any part of the value serves as a name.
        std::uint64_t hash = state_;
        hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
        hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
        return hash ^ (hash >> 33);
    }

    /// The first `digits` (at most 16) hexadecimal digits of the value.
    std::string hex(unsigned digits) const {
        std::string text;
        for (unsigned i = 0; i < digits; ++i)
            text += "0123456789abcdef"[value() >> (60 - 4 * i) & 15];
        return text;
    }

  private:
    void mix(std::uint8_t byte) { state_ = (state_ ^ byte) * 0x100000001b3; }

    std::uint64_t state_ = 0xcbf29ce484222325;
};
