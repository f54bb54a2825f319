#include "json/field.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace json {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

template <typename Exception = FieldError>
std::string complaint(const auto& action) {
    try {
        action();
    } catch (const Exception& error) {
        return error.what();
    }
    return "(no complaint)";
}

std::string refused_text(std::string_view text) {
    return complaint<SyntaxError>([&] { parse(text); });
}

/// The field `key` of a document that holds nothing else, and the document.
struct Member {
    explicit Member(Value value) : document{{"key", std::move(value)}} {}
    Field operator*() const { return *Field(document).find("key"); }

    Value document;
};

std::string refused_integer(Value value, std::int64_t lowest, std::int64_t highest) {
    const Member member(std::move(value));
    return complaint([&] { (*member).integer(lowest, highest); });
}

TEST(JsonParse, ReadsADocument) {
    EXPECT_EQ(parse(R"({"name": "podnet", "mtu": 1400})").at("mtu"), 1400);
}

TEST(JsonParse, SaysWhereTheSyntaxEnds) {
    EXPECT_THAT(
        refused_text("{\n  \"name\": podnet\n}"),
        AllOf(StartsWith("parse error at line 2, column 11"), HasSubstr("invalid literal")));
    EXPECT_THAT(refused_text(""), HasSubstr("unexpected end of input"));
    EXPECT_THAT(refused_text("{} {}"), HasSubstr("line 1, column 4"));
    EXPECT_THAT(refused_text("{\"a\": \"\xff\"}"), HasSubstr("UTF-8"));
}

TEST(JsonParse, RefusesANumberBeyondAllTypes) {
    EXPECT_THAT(refused_text(R"({"mtu": 1e999})"), HasSubstr("1e999"));
}

TEST(JsonParse, RefusesWhatIsNestedTooDeepToBeShown) {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    EXPECT_THAT(parse(nested(64)), SizeIs(1));
    EXPECT_THAT(refused_text(nested(65)),
                AllOf(HasSubstr("nested more than 64 deep"), EndsWith("at byte 65")));
    EXPECT_THAT(refused_text(std::string(1'000'000, '[')), HasSubstr("nested more than 64 deep"));
    EXPECT_THAT(parse('[' + nested(1) + std::string(100, ' ') + ']'), SizeIs(1));
}

TEST(JsonParse, CountsNoBracketsInsideOfStrings) {
    const std::string brackets(100, '[');
    EXPECT_EQ(parse("[\"\\\"" + brackets + "\\\\\"]").at(0), '"' + brackets + '\\');
}

TEST(JsonParse, CutsALongComplaintInTheMiddle) {
    const std::string text = refused_text("[\"" + std::string(100'000, 'a'));
    EXPECT_THAT(text, StartsWith("parse error at line 1"));
    EXPECT_LT(text.size(), 500U);
}

TEST(JsonField, NamesItsPath) {
    const Value document = parse(R"({"nodes": [{}, {"podCIDRs": ["a", "b"]}]})");
    const Field root(document);
    EXPECT_THAT(root.path(), IsEmpty());
    const Field cidrs = *root.find("nodes")->array().at(1).find("podCIDRs");
    EXPECT_EQ(cidrs.path(), "nodes[1].podCIDRs");
    EXPECT_EQ(cidrs.array().at(1).path(), "nodes[1].podCIDRs[1]");
    EXPECT_EQ(cidrs.array().at(1).string(), "b");
    EXPECT_EQ(complaint([&] { cidrs.array().at(1).fail("is wrong"); }),
              "nodes[1].podCIDRs[1]: is wrong");
}

TEST(JsonField, IsAbsentWhereMissingOrNull) {
    const Value document = parse(R"({"null": null, "false": false, "empty": ""})");
    const Field root(document);
    EXPECT_FALSE(root.find("missing"));
    EXPECT_FALSE(root.find("null"));
    EXPECT_TRUE(root.find("false"));
    EXPECT_TRUE(root.find("empty"));
}

TEST(JsonField, ThatIsRequiredComesWithAMend) {
    const Value document = parse(R"({"node": {"null": null, "name": "host1"}})");
    const Field node = *Field(document).find("node");
    EXPECT_EQ(node.require("name", "").string(), "host1");
    for (const char* key : {"null", "missing"})
        EXPECT_EQ(complaint([&] { node.require(key, "give one"); }),
                  std::string("node.") + key + ": is missing; give one");
    EXPECT_EQ(complaint([&] { Field(document).require("name", "give one"); }),
              "name: is missing; give one");
}

TEST(JsonField, GivesTheValueOfItsType) {
    EXPECT_EQ((*Member("text")).string(), "text");
    EXPECT_TRUE((*Member(true)).boolean());
    EXPECT_FALSE((*Member(false)).boolean());
    EXPECT_EQ((*Member(-7)).integer(-7, 0), -7);
    EXPECT_THAT((*Member(parse("[]"))).array(), IsEmpty());
    EXPECT_EQ((*Member(parse(R"({"a": 1})"))).object().at("a"), 1);
}

TEST(JsonField, RefusesEveryOtherType) {
    const struct {
        const char* wanted;
        void (*read)(const Field&);
    } accessors[] = {
        {"a string", [](const Field& field) { field.string(); }},
        {"true or false", [](const Field& field) { field.boolean(); }},
        {"a whole number from 0 to 9", [](const Field& field) { field.integer(0, 9); }},
        {"a list", [](const Field& field) { field.array(); }},
        {"an object", [](const Field& field) { field.object(); }},
        {"an object", [](const Field& field) { field.find("a"); }},
        {"an object", [](const Field& field) { field.require("a", "give one"); }},
    };
    // Each accessor refuses all but its own.
    const char* const values[] = {R"("a")", "true", "5", "[1]", R"({"a":1})", "2.5"};
    for (const auto& accessor : accessors) {
        int refused = 0;
        for (const char* text : values) {
            const Member member(parse(text));
            const std::string why = complaint([&] { accessor.read(*member); });
            if (why == "(no complaint)")
                continue;
            EXPECT_EQ(why, "key: " + std::string(text) + " is not " + accessor.wanted);
            ++refused;
        }
        EXPECT_EQ(refused, 5) << accessor.wanted;
    }
}

TEST(JsonField, NamesTheDocumentItselfInAComplaint) {
    const Value document = parse("[1]");
    EXPECT_EQ(complaint([&] { Field(document).find("name"); }),
              "the document: [1] is not an object");
}

TEST(JsonField, KeepsIntegersWithinTheirBounds) {
    EXPECT_EQ((*Member(0)).integer(0, 10), 0);
    EXPECT_EQ((*Member(10)).integer(0, 10), 10);
    const std::string wanted = " is not a whole number from 0 to 10";
    EXPECT_EQ(refused_integer(-1, 0, 10), "key: -1" + wanted);
    EXPECT_EQ(refused_integer(11, 0, 10), "key: 11" + wanted);
    EXPECT_EQ(refused_integer(1.5, 0, 10), "key: 1.5" + wanted);
    EXPECT_EQ(refused_integer(parse("1.0"), 0, 10), "key: 1.0" + wanted);
}

TEST(JsonField, TakesNoUnsignedNumberBeyondInt64ForANegativeOne) {
    constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    EXPECT_EQ((*Member(parse("9223372036854775807"))).integer(least, most), most);
    EXPECT_EQ((*Member(parse("-9223372036854775808"))).integer(least, most), least);
    for (const char* text : {"9223372036854775808", "18446744073709551615"})
        EXPECT_THAT(refused_integer(parse(text), least, most),
                    StartsWith("key: " + std::string(text) + " is not a whole number"));
    EXPECT_THAT(refused_integer(parse("18446744073709551616"), least, most), // a float by then
                HasSubstr("is not a whole number"));
}

TEST(JsonField, TurnsAReadersComplaintIntoItsOwn) {
    const Member member("12a");
    const auto read = [](std::string_view text) -> int {
        throw std::invalid_argument('"' + std::string(text) + "\" is no number; write 12");
    };
    EXPECT_EQ(complaint([&] { (*member).parsed(read); }), "key: \"12a\" is no number; write 12");
    EXPECT_EQ((*member).parsed([](std::string_view text) { return text.size(); }), 3U);
    const Member wrong(12);
    EXPECT_EQ(complaint([&] { (*wrong).parsed(read); }), "key: 12 is not a string");
}

TEST(JsonField, ComplainsOfWhatIsUnsupportedInItsOwnWay) {
    const Member member("fou");
    EXPECT_EQ(complaint<UnsupportedError>([&] { (*member).unsupported("is not supported"); }),
              "key: \"fou\" is not supported");
}

TEST(JsonField, ShowsALongValueCut) {
    const std::string shown = (*Member(std::string(1'000'000, 'a'))).shown();
    EXPECT_EQ(shown, '"' + std::string(79, 'a') + "...");
}

TEST(JsonField, CutsNoCharacterInTwo) {
    std::string text;
    for (int i = 0; i < 100; ++i)
        text += "\u20ac"; // three bytes each: behind the quotation mark, byte 80 is inside of one
    EXPECT_THAT((*Member(text)).shown(), AllOf(SizeIs(79 + 3), EndsWith("\u20ac...")));
}

TEST(JsonField, ShowsBytesThatAreNoUtf8AsReplacements) {
    EXPECT_EQ((*Member(std::string("a\xff\xfez"))).shown(), "\"a\ufffd\ufffdz\"");
    EXPECT_EQ((*Member(std::string(1, '\0'))).shown(), "\"\\u0000\"");
    EXPECT_EQ((*Member("\x1b[2J\n")).shown(), "\"\\u001b[2J\\n\"");
}

TEST(JsonField, CutsAReadersLongComplaintAndKeepsTheMend) {
    const Member member(std::string(100'000, 'x'));
    const std::string why = complaint([&] {
        (*member).parsed([](std::string_view text) -> int {
            throw std::invalid_argument(std::string(text) + " is not an address; write 10.0.0.1");
        });
    });
    EXPECT_THAT(why,
                AllOf(StartsWith("key: xxx"), EndsWith("; write 10.0.0.1"), HasSubstr("x...x")));
    EXPECT_LT(why.size(), 500U);
}

} // namespace
} // namespace json
