#include "ipam/range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ipam {
namespace {

using ip::Address;
using ip::Cidr;

std::string span(const Range& range) {
    return range.first.to_string() + " - " + range.last.to_string();
}

std::string usable_of(const char* cidr) {
    return span(usable(Cidr::parse(cidr)));
}

std::string refused(const char* cidr, std::vector<Address> reserved = {}) {
    try {
        return "took " + span(usable(Cidr::parse(cidr), std::move(reserved)));
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

TEST(Range, OfIpv4LeavesOutNetworkAndBroadcast) {
    EXPECT_EQ(usable_of("10.10.100.0/24"), "10.10.100.1 - 10.10.100.254");
    EXPECT_EQ(usable_of("10.10.100.4/30"), "10.10.100.5 - 10.10.100.6");
    EXPECT_EQ(usable_of("10.10.0.0/16"), "10.10.0.1 - 10.10.255.254");
    EXPECT_EQ(usable_of("0.0.0.0/0"), "0.0.0.1 - 255.255.255.254");
}

TEST(Range, OfIpv6LeavesOutTheSubnetRouterAnycastAddressOnly) {
    EXPECT_EQ(usable_of("fd00::/64"), "fd00::1 - fd00::ffff:ffff:ffff:ffff");
    EXPECT_EQ(usable_of("fd00::4/126"), "fd00::5 - fd00::7");
    EXPECT_EQ(usable_of("fd00::4/127"), "fd00::5 - fd00::5");
}

TEST(Range, OfABlockWithoutUsableAddressesIsRefusedWithThePrefixToUse) {
    EXPECT_EQ(refused("10.0.0.0/31"),
              "10.0.0.0/31 leaves no address to give out; use a prefix of at most /30");
    EXPECT_EQ(refused("10.0.0.0/32"),
              "10.0.0.0/32 leaves no address to give out; use a prefix of at most /30");
    EXPECT_EQ(refused("fd00::/128"),
              "fd00::/128 leaves no address to give out; use a prefix of at most /126");
}

TEST(Range, KeepsTheReservedInsideOfIt) {
    const Range range = usable(Cidr::parse("10.0.0.0/24"),
                               {Address::parse("10.0.0.9"), Address::parse("10.0.0.1"),
                                Address::parse("10.0.0.9"), Address::parse("10.0.0.255"),
                                Address::parse("10.0.1.1"), Address::parse("fd00::1")});
    EXPECT_THAT(range.reserved,
                testing::ElementsAre(Address::parse("10.0.0.1"), Address::parse("10.0.0.9")));
    EXPECT_EQ(span(range), "10.0.0.1 - 10.0.0.254");
}

TEST(Range, ReservedWhollyIsRefused) {
    const std::vector<Address> both{Address::parse("10.0.0.2"), Address::parse("10.0.0.1")};
    EXPECT_EQ(refused("10.0.0.0/30", both), "10.0.0.0/30 leaves no address to give out beside the "
                                            "reserved; use a prefix of at most /30");
    EXPECT_EQ(refused("10.0.0.0/29", both), "took 10.0.0.1 - 10.0.0.6");
    EXPECT_EQ(refused("10.0.0.0/30", {both[0]}), "took 10.0.0.1 - 10.0.0.2");
    EXPECT_EQ(refused("10.0.0.0/30", {both[1]}), "took 10.0.0.1 - 10.0.0.2");
}

TEST(Range, OfTheLongestPodPrefixHoldsAnEndpointAndAPod) {
    for (const char* cidr : {"10.0.0.0/30", "fd00::/126"}) {
        const Cidr block = Cidr::parse(cidr);
        EXPECT_EQ(block.length(), longest_pod_prefix(block.family()));
        EXPECT_NO_THROW(usable(block, {usable(block).first}));
        const Cidr half(block.network(), block.length() + 1);
        EXPECT_ANY_THROW(usable(half, {*block.network().next()}));
    }
}

TEST(Range, ContainsBothItsEnds) {
    const Range range = usable(Cidr::parse("10.0.0.0/24"), {Address::parse("10.0.0.5")});
    EXPECT_FALSE(contains(range, Address::parse("10.0.0.0")));
    EXPECT_TRUE(contains(range, Address::parse("10.0.0.1")));
    EXPECT_TRUE(contains(range, Address::parse("10.0.0.5")));
    EXPECT_TRUE(contains(range, Address::parse("10.0.0.254")));
    EXPECT_FALSE(contains(range, Address::parse("10.0.0.255")));
    EXPECT_FALSE(contains(range, Address::parse("::a00:1")));
}

} // namespace
} // namespace ipam
