#pragma once

#include <nlohmann/json.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace json {

using Value = nlohmann::json;

/// The text is not JSON. what() says where and what was met there.
class SyntaxError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A key holds what it may not. what() names key, value and mend: `mtu: -1 is not from 0 to 65535`.
class FieldError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// A key holds something known that this version does not do.
class UnsupportedError : public FieldError {
  public:
    using FieldError::FieldError;
};

/// Throws SyntaxError; also for what is nested more than 64 deep or holds a number that no type
/// takes.
Value parse(std::string_view text);

/// Reads a document of which the member `list` holds more than should be in memory at once: calls
/// `each` with every element of it as it comes, and returns the rest. Throws SyntaxError, and what
/// `each` throws.
Value parse_elements(std::istream& stream, std::string_view list,
                     const std::function<void(const Value&)>& each);

/// A place in a document: a value and the keys that lead to it, so that an error can name both.
/// Refers to the document, which must outlive it.
class Field {
  public:
    explicit Field(const Value& document) : value_(document) {}

    const Value& value() const { return value_; }
    /// "nodes[1].podCIDRs[0]"; empty for the document itself.
    const std::string& path() const { return path_; }

    /// The member `key`. None where it is missing or null: both mean that it was not given.
    /// Throws FieldError where this place is not an object.
    std::optional<Field> find(std::string_view key) const;

    /// The same for a member that must be there; throws FieldError with `mend` otherwise.
    Field require(std::string_view key, std::string_view mend) const;

    // The value as what it must be; throw FieldError for any other type.
    const std::string& string() const;
    bool boolean() const;
    std::int64_t integer(std::int64_t lowest, std::int64_t highest) const;
    std::vector<Field> array() const;
    const Value& object() const;

    /// The text of an absolute path; `example` is shown in the error.
    const std::string& absolute_path(std::string_view example) const;

    /// The text read by `read`, whose std::invalid_argument becomes a FieldError of this place.
    template <std::invocable<std::string_view> Read>
    auto parsed(Read read) const {
        try {
            return read(std::string_view(string()));
        } catch (const std::invalid_argument& error) {
            fail(error.what());
        }
    }

    /// Throws FieldError: "PATH: SENTENCE".
    [[noreturn]] void fail(std::string_view sentence) const;
    /// Throws UnsupportedError: "PATH: VALUE SENTENCE".
    [[noreturn]] void unsupported(std::string_view sentence) const;

    /// The value as an error shows it: JSON, cut short where long.
    std::string shown() const;

  private:
    Field(const Value& value, std::string path) : value_(value), path_(std::move(path)) {}
    [[noreturn]] void wrong_type(std::string_view wanted) const;

    const Value& value_;
    std::string path_;
};

} // namespace json
