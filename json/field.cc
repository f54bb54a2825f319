#include "json/field.h"

#include <istream>

namespace json {

namespace {

constexpr std::size_t deepest = 64; // the library copies and writes nested values by recursion
constexpr std::size_t longest_value = 80;
constexpr std::size_t longest_sentence = 400;

void refuse_deep(std::string_view text) {
    std::size_t depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"')
            quoted = !quoted;
        else if (quoted && c == '\\')
            ++i;
        else if (!quoted && (c == '[' || c == '{') && ++depth > deepest)
            throw SyntaxError("lists and objects are nested more than " + std::to_string(deepest) +
                              " deep at byte " + std::to_string(i + 1));
        else if (!quoted && (c == ']' || c == '}') && depth > 0)
            --depth;
    }
}

/// The position at or before `position` at which no UTF-8 character is cut.
std::size_t whole(std::string_view text, std::size_t position) {
    while (position > 0 && (static_cast<unsigned char>(text[position]) & 0xc0) == 0x80)
        --position;
    return position;
}

/// A long sentence without its middle: what is wrong begins it, and the mend ends it.
std::string shortened(std::string_view sentence) {
    if (sentence.size() <= longest_sentence)
        return std::string(sentence);
    const std::size_t half = longest_sentence / 2;
    return std::string(sentence.substr(0, whole(sentence, half))) + "..." +
           std::string(sentence.substr(whole(sentence, sentence.size() - half)));
}

} // namespace

Value parse(std::string_view text) {
    refuse_deep(text);
    try {
        return Value::parse(text);
    } catch (const Value::exception& error) { // a syntax error, or a number beyond all types
        // The library's sentence begins with its own tag in brackets, of no use to a reader.
        std::string_view sentence = error.what();
        if (const auto end = sentence.find("] "); end != std::string_view::npos)
            sentence.remove_prefix(end + 2);
        throw SyntaxError(shortened(sentence));
    }
}

Value parse_elements(std::istream& stream, std::string_view list,
                     const std::function<void(const Value&)>& each) {
    bool inside = false;
    const auto filter = [&](int depth, Value::parse_event_t event, Value& parsed) {
        using Event = Value::parse_event_t;
        if (depth > static_cast<int>(deepest))
            throw SyntaxError("lists and objects are nested more than " + std::to_string(deepest) +
                              " deep");
        if (depth == 1 && event == Event::key)
            inside = parsed == list;
        const bool ends =
            event == Event::object_end || event == Event::array_end || event == Event::value;
        if (!inside || depth != 2 || !ends)
            return true;
        each(parsed);
        return false; // it is not kept
    };
    try {
        return Value::parse(stream, filter);
    } catch (const Value::exception& error) {
        throw SyntaxError(error.what());
    }
}

std::optional<Field> Field::find(std::string_view key) const {
    const Value& members = object();
    const auto member = members.find(key);
    if (member == members.end() || member->is_null())
        return std::nullopt;
    return Field(*member, path_.empty() ? std::string(key) : path_ + '.' + std::string(key));
}

Field Field::require(std::string_view key, std::string_view mend) const {
    if (auto field = find(key))
        return *std::move(field);
    const std::string where = path_.empty() ? std::string(key) : path_ + '.' + std::string(key);
    throw FieldError(where + ": is missing; " + std::string(mend));
}

const std::string& Field::string() const {
    if (!value_.is_string())
        wrong_type("a string");
    return value_.get_ref<const std::string&>();
}

bool Field::boolean() const {
    if (!value_.is_boolean())
        wrong_type("true or false");
    return value_.get<bool>();
}

std::int64_t Field::integer(std::int64_t lowest, std::int64_t highest) const {
    const std::string wanted =
        "a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest);
    // An unsigned one above int64's range would wrap when read as signed.
    const bool fits = value_.is_number_unsigned()
                          ? value_.get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX)
                          : value_.is_number_integer();
    if (!fits || value_.get<std::int64_t>() < lowest || value_.get<std::int64_t>() > highest)
        wrong_type(wanted);
    return value_.get<std::int64_t>();
}

std::vector<Field> Field::array() const {
    if (!value_.is_array())
        wrong_type("a list");
    std::vector<Field> elements;
    elements.reserve(value_.size());
    for (const Value& element : value_)
        elements.push_back(Field(element, path_ + '[' + std::to_string(elements.size()) + ']'));
    return elements;
}

const std::string& Field::absolute_path(std::string_view example) const {
    if (!string().starts_with('/') || string().find('\0') != std::string::npos)
        fail(shown() + " is not an absolute path; give one such as " + std::string(example));
    return string();
}

const Value& Field::object() const {
    if (!value_.is_object())
        wrong_type("an object");
    return value_;
}

void Field::fail(std::string_view sentence) const {
    throw FieldError((path_.empty() ? std::string("the document") : path_) + ": " +
                     shortened(sentence));
}

void Field::unsupported(std::string_view sentence) const {
    throw UnsupportedError(path_ + ": " + shown() + ' ' + std::string(sentence));
}

std::string Field::shown() const {
    // Bytes that are not UTF-8 cannot be dumped as they are.
    std::string text = value_.dump(-1, ' ', false, Value::error_handler_t::replace);
    if (text.size() > longest_value)
        text = text.substr(0, whole(text, longest_value)) + "...";
    return text;
}

void Field::wrong_type(std::string_view wanted) const {
    fail(shown() + " is not " + std::string(wanted));
}

} // namespace json
