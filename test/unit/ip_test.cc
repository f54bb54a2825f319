#include "ip/address.h"
#include "ip/cidr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace ip {
namespace {

using testing::HasSubstr;

std::string complaint(const auto& action) {
    try {
        action();
    } catch (const ParseError& error) {
        return error.what();
    }
    return "(no ParseError)";
}

std::string refused_address(std::string_view text) {
    return complaint([&] { Address::parse(text); });
}

std::string refused_cidr(std::string_view text) {
    return complaint([&] { Cidr::parse(text); });
}

TEST(Address, IsWrittenAsItWasRead) {
    for (const char* text : {"0.0.0.0", "10.10.100.10", "255.255.255.255", "::", "::1",
                             "fd00::1:0:1", "fe80::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"})
        EXPECT_EQ(Address::parse(text).to_string(), text);
}

TEST(Address, IsWrittenInTheOneFormOfRfc5952) {
    EXPECT_EQ(Address::parse("FD00:0:0:0:0:0:0:A").to_string(), "fd00::a");
    EXPECT_EQ(Address::parse("2001:0db8:0:0:1:0:0:1").to_string(), "2001:db8::1:0:0:1");
}

TEST(Address, KnowsItsFamily) {
    EXPECT_EQ(Address().to_string(), "0.0.0.0");
    EXPECT_EQ(Address::parse("10.0.0.1").family(), Family::v4);
    EXPECT_EQ(Address::parse("10.0.0.1").bits(), 32U);
    EXPECT_EQ(Address::parse("::1").family(), Family::v6);
    EXPECT_EQ(Address::parse("::1").bits(), 128U);
    EXPECT_EQ(name(Family::v4), "IPv4");
    EXPECT_EQ(name(Family::v6), "IPv6");
}

TEST(Address, IsRefusedWithItsTextAndAnExample) {
    for (const char* text :
         {"", "10", "10.0.0", "10.0.0.256", "10.0.0.1.2", "010.0.0.1", " 10.0.0.1", "10.0.0.1 ",
          "10.0.0.1/24", "0x0a.0.0.1", "pods", ":", ":::", "1::2::3", "fd00::12345", "fe80::1%eth0",
          "[::1]", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9"}) {
        EXPECT_THAT(refused_address(text), HasSubstr('"' + std::string(text) + '"'));
        EXPECT_THAT(refused_address(text), HasSubstr("write one such as 10.10.100.10"));
    }
}

TEST(Address, DoesNotEndAtAnInnerNul) {
    EXPECT_THROW(Address::parse(std::string_view("10.0.0.1\0x", 10)), ParseError);
    EXPECT_THROW(Address::parse(std::string_view("10.0.0.1\0", 9)), ParseError);
}

TEST(Address, ThatIsIpv4MappedIsRefusedWithTheIpv4AddressToWrite) {
    EXPECT_EQ(refused_address("::ffff:10.0.0.1"),
              "\"::ffff:10.0.0.1\" is an IPv4-mapped address; write 10.0.0.1");
    EXPECT_EQ(Address::parse("::fffe:10.0.0.1").family(), Family::v6);
}

TEST(Address, IsItsBytesInNetworkOrder) {
    const Address v4 = Address::parse("10.0.0.255");
    EXPECT_THAT(v4.bytes(), testing::ElementsAre(10, 0, 0, 255));
    EXPECT_EQ(Address::from_bytes(v4.bytes()), v4);
    const Address v6 = Address::parse("fd00::1");
    EXPECT_EQ(v6.bytes().size(), 16U);
    EXPECT_EQ(v6.bytes().front(), 0xfd);
    EXPECT_EQ(v6.bytes().back(), 1);
    EXPECT_EQ(Address::from_bytes(v6.bytes()), v6);
}

TEST(Address, IsNotMadeFromAnotherNumberOfBytes) {
    constexpr std::array<std::uint8_t, 17> bytes{};
    for (const std::size_t size : {0U, 3U, 5U, 15U, 17U})
        EXPECT_THROW(Address::from_bytes(std::span(bytes).first(size)), std::invalid_argument);
}

TEST(Address, CountsUpAndEndsWithItsFamily) {
    const auto next = [](const char* text) {
        return Address::parse(text).next().value().to_string();
    };
    EXPECT_EQ(next("10.0.0.0"), "10.0.0.1");
    EXPECT_EQ(next("10.0.0.255"), "10.0.1.0");
    EXPECT_EQ(next("9.255.255.255"), "10.0.0.0");
    EXPECT_EQ(next("fd00::ffff"), "fd00::1:0");
    EXPECT_EQ(next("fd00::ffff:ffff:ffff:ffff"), "fd00:0:0:1::");
    EXPECT_EQ(Address::parse("255.255.255.255").next(), std::nullopt);
    EXPECT_EQ(Address::parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").next(), std::nullopt);
}

TEST(Address, IsMaskedAtAnyBit) {
    const Address v4 = Address::parse("170.170.170.170"); // 10101010...
    EXPECT_EQ(v4.masked(0).to_string(), "0.0.0.0");
    EXPECT_EQ(v4.masked(0, true).to_string(), "255.255.255.255");
    EXPECT_EQ(v4.masked(8).to_string(), "170.0.0.0");
    EXPECT_EQ(v4.masked(11).to_string(), "170.160.0.0");
    EXPECT_EQ(v4.masked(11, true).to_string(), "170.191.255.255");
    EXPECT_EQ(v4.masked(31, true).to_string(), "170.170.170.171");
    EXPECT_EQ(v4.masked(32), v4);
    EXPECT_EQ(v4.masked(32, true), v4);
    const Address v6 = Address::parse("fd00:1:2:3:4:5:6:7");
    EXPECT_EQ(v6.masked(64).to_string(), "fd00:1:2:3::");
    EXPECT_EQ(v6.masked(64, true).to_string(), "fd00:1:2:3:ffff:ffff:ffff:ffff");
    EXPECT_EQ(v6.masked(128, true), v6);
}

TEST(Address, MaskedInIpv4StaysEqualToTheSameAddressRead) {
    EXPECT_EQ(Address::parse("10.0.0.9").masked(24, true), Address::parse("10.0.0.255"));
}

TEST(Address, SortsByFamilyThenByValue) {
    EXPECT_LT(Address::parse("9.0.0.0"), Address::parse("10.0.0.0"));
    EXPECT_LT(Address::parse("10.0.0.127"), Address::parse("10.0.0.128"));
    EXPECT_LT(Address::parse("255.255.255.255"), Address::parse("::"));
    EXPECT_LT(Address::parse("::1"), Address::parse("::1:0"));
}

TEST(Cidr, IsWrittenAsItWasRead) {
    for (const char* text :
         {"10.10.100.0/24", "0.0.0.0/0", "10.0.0.1/32", "::/0", "fd00::/64", "fd00::1/128"})
        EXPECT_EQ(Cidr::parse(text).to_string(), text);
    EXPECT_EQ(Cidr().to_string(), "0.0.0.0/0");
}

TEST(Cidr, WithoutASlashIsRefused) {
    EXPECT_EQ(refused_cidr("10.0.0.0"),
              "\"10.0.0.0\" is not a CIDR; write one such as 10.10.100.0/24");
}

TEST(Cidr, WithoutAnAddressIsRefused) {
    EXPECT_EQ(refused_cidr("/24"), "\"\" is not an IP address; write one such as 10.10.100.10");
    EXPECT_THAT(refused_cidr("pods/24"), HasSubstr("\"pods\" is not an IP address"));
}

TEST(Cidr, WithoutALengthOfTheFamilyIsRefusedWithTheLimits) {
    for (const char* text :
         {"10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/8 ",
          "10.0.0.0/8/8", "10.0.0.0/x", "10.0.0.0/255.0.0.0", "10.0.0.0/4294967304"}) // 2^32 + 8
        EXPECT_EQ(refused_cidr(text), '"' + std::string(text) +
                                          "\" has no prefix length from 0 to 32 behind its slash");
    EXPECT_THAT(refused_cidr("fd00::/129"),
                HasSubstr("\"fd00::/129\" has no prefix length from 0 to 128"));
}

TEST(Cidr, WithHostBitsIsRefusedWithTheBlockToWrite) {
    EXPECT_EQ(refused_cidr("10.0.0.1/24"), "\"10.0.0.1/24\" has host bits set; write 10.0.0.0/24");
    EXPECT_EQ(refused_cidr("fd00::1/64"), "\"fd00::1/64\" has host bits set; write fd00::/64");
}

TEST(Cidr, AroundAnAddressDropsItsHostBits) {
    EXPECT_EQ(Cidr(Address::parse("10.0.0.9"), 24), Cidr::parse("10.0.0.0/24"));
    EXPECT_EQ(Cidr::host(Address::parse("10.0.0.9")), Cidr::parse("10.0.0.9/32"));
    EXPECT_EQ(Cidr::host(Address::parse("fd00::9")), Cidr::parse("fd00::9/128"));
}

TEST(Cidr, EndsWithItsHighestAddress) {
    EXPECT_EQ(Cidr::parse("10.0.0.0/24").last().to_string(), "10.0.0.255");
    EXPECT_EQ(Cidr::parse("10.0.0.4/30").last().to_string(), "10.0.0.7");
    EXPECT_EQ(Cidr::parse("10.0.0.4/32").last().to_string(), "10.0.0.4");
    EXPECT_EQ(Cidr::parse("fd00::/64").last().to_string(), "fd00::ffff:ffff:ffff:ffff");
}

TEST(Cidr, ContainsFromItsFirstToItsLastAddress) {
    const Cidr cidr = Cidr::parse("10.0.4.0/22");
    EXPECT_FALSE(cidr.contains(Address::parse("10.0.3.255")));
    EXPECT_TRUE(cidr.contains(Address::parse("10.0.4.0")));
    EXPECT_TRUE(cidr.contains(Address::parse("10.0.7.255")));
    EXPECT_FALSE(cidr.contains(Address::parse("10.0.8.0")));
}

TEST(Cidr, ContainsNothingOfTheOtherFamily) {
    EXPECT_FALSE(Cidr::parse("0.0.0.0/0").contains(Address::parse("::")));
    EXPECT_FALSE(Cidr::parse("::/0").contains(Address::parse("0.0.0.0")));
}

TEST(Cidr, OverlapsWhatItContainsAndWhatContainsIt) {
    const Cidr cidr = Cidr::parse("10.0.4.0/22");
    EXPECT_TRUE(cidr.overlaps(cidr));
    EXPECT_TRUE(cidr.overlaps(Cidr::parse("10.0.7.0/24")));
    EXPECT_TRUE(cidr.overlaps(Cidr::parse("10.0.0.0/8")));
    EXPECT_FALSE(cidr.overlaps(Cidr::parse("10.0.8.0/22")));
    EXPECT_FALSE(cidr.overlaps(Cidr::parse("10.0.3.0/24")));
    EXPECT_FALSE(cidr.overlaps(Cidr::parse("::/0")));
}

} // namespace
} // namespace ip
