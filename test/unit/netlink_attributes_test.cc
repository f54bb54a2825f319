#include "netlink/attributes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

namespace netlink {
namespace {

using Row = std::vector<std::uint8_t>;

/// One attribute, padded to where the next begins.
Row attribute(int type, const Row& content) {
    const nlattr header{static_cast<std::uint16_t>(sizeof(nlattr) + content.size()),
                        static_cast<std::uint16_t>(type)};
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&header);
    Row row(bytes, bytes + sizeof header);
    row.insert(row.end(), content.begin(), content.end());
    row.resize((row.size() + 3) / 4 * 4);
    return row;
}

Row operator+(Row row, const Row& more) {
    row.insert(row.end(), more.begin(), more.end());
    return row;
}

using Wanted = Attributes<2, 3, 7>;

TEST(AttributesTest, AreFoundByTheirTypeAmongOthers) {
    const Row row = attribute(1, {9}) + attribute(7, {1, 0, 0, 0}) + attribute(200, {9, 9}) +
                    attribute(2, {'l', 'o', 0}) + attribute(3, {10, 0, 0, 1});
    const auto found = Wanted::in(row);
    EXPECT_EQ(found.u32<7>(), 1U);
    EXPECT_EQ(found.u8<7>(), 1U);
    EXPECT_EQ(found.text<2>(), "lo");
    EXPECT_EQ(found.address<3>(), ip::Address::parse("10.0.0.1"));
    EXPECT_THAT(found.bytes<3>(), testing::ElementsAre(10, 0, 0, 1));
}

TEST(AttributesTest, AreEmptyWhereTheyAreMissingOrTooShort) {
    const auto missing = Wanted::in(Row{});
    EXPECT_EQ(missing.u32<2>(), 0U);
    EXPECT_EQ(missing.text<3>(), "");
    EXPECT_EQ(missing.address<7>(), std::nullopt);
    EXPECT_TRUE(missing.bytes<7>().empty());
    const Row row = attribute(2, {1, 1, 1}) + attribute(3, {}) + attribute(7, {1, 1, 1, 1, 1});
    const auto short_ones = Wanted::in(row);
    EXPECT_EQ(short_ones.u32<2>(), 0U);
    EXPECT_EQ(short_ones.u8<3>(), 0U);
    EXPECT_EQ(short_ones.text<3>(), "");
    EXPECT_EQ(short_ones.address<7>(), std::nullopt);
}

TEST(AttributesTest, HaveTextWithAndWithoutItsEnd) {
    const Row row = attribute(2, {'e', 't', 'h', '0'}) + attribute(3, {'l', 'o', 0, 'x'});
    const auto found = Wanted::in(row);
    EXPECT_EQ(found.text<2>(), "eth0");
    EXPECT_EQ(found.text<3>(), "lo");
}

TEST(AttributesTest, CountTheLastOfTwoAlike) {
    const Row row = attribute(2, {1}) + attribute(2, {2});
    EXPECT_EQ(Wanted::in(row).u8<2>(), 2U);
}

TEST(AttributesTest, AreOfATypeWhateverItsFlags) {
    const Row row =
        attribute(2 | NLA_F_NESTED, attribute(4, {5})) + attribute(3 | NLA_F_NET_BYTEORDER, {6});
    const auto found = Wanted::in(row);
    EXPECT_EQ(Attributes<4>::in(found.bytes<2>()).u8<4>(), 5U);
    EXPECT_EQ(found.u8<3>(), 6U);
}

TEST(AttributesTest, AreReadAsFarAsTheRowIsWhole) {
    const Row first = attribute(2, {1});
    Row last = attribute(3, {2, 0, 0, 0});
    last.pop_back();
    EXPECT_EQ(Wanted::in(first + last).u8<2>(), 1U);
    EXPECT_TRUE(Wanted::in(first + last).bytes<3>().empty()) << "longer than the row";
    EXPECT_TRUE(Wanted::in(first + Row{8, 0}).bytes<3>().empty()) << "no whole header";
    const Row too_short{3, 0, 3, 0};
    EXPECT_TRUE(Wanted::in(first + too_short + attribute(3, {2})).bytes<3>().empty());
    Row unpadded = attribute(3, {2});
    unpadded.resize(sizeof(nlattr) + 1);
    EXPECT_EQ(Wanted::in(first + unpadded).u8<3>(), 2U);
}

TEST(AttributesTest, LieBehindTheHeaderOfAMessage) {
    using Family = std::array<std::uint8_t, 6>;
    struct {
        nlmsghdr header;
        Family family; // with two bytes of padding behind it
        std::array<std::uint8_t, 2> padding;
        std::array<std::uint8_t, 8> attribute;
    } message{.header = {}, .family = {}, .padding = {}, .attribute = {5, 0, 7, 0, 42}};
    message.header.nlmsg_len = sizeof message;
    EXPECT_EQ(Wanted::behind<Family>(&message.header).u8<7>(), 42U);
    message.header.nlmsg_len = sizeof(nlmsghdr) + 2;
    EXPECT_TRUE(Wanted::behind<Family>(&message.header).bytes<7>().empty());
}

} // namespace
} // namespace netlink
