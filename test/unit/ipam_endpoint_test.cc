#include "ipam/endpoint.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <vector>

namespace ipam {
namespace {

using ip::Address;
using ip::Cidr;
using ip::Family;

const std::vector<Cidr> dual_stack{Cidr::parse("fd00:10::/64"), Cidr::parse("10.10.100.0/24"),
                                   Cidr::parse("10.10.7.0/24"), Cidr::parse("fd00:9::/64")};

TEST(Endpoint, IsTheFirstUsableAddressOfTheFirstCidrOfTheFamily) {
    EXPECT_EQ(endpoint(dual_stack, Family::v4), Address::parse("10.10.100.1"));
    EXPECT_EQ(endpoint(dual_stack, Family::v6), Address::parse("fd00:10::1"));
}

TEST(Endpoint, IsNoneWithoutACidrOfTheFamily) {
    EXPECT_EQ(endpoint({}, Family::v4), std::nullopt);
    EXPECT_EQ(endpoint(std::vector{Cidr::parse("10.10.100.0/24")}, Family::v6), std::nullopt);
}

TEST(Endpoint, OfACidrTooSmallForOneIsRefusedRatherThanTakenFromTheNext) {
    EXPECT_THROW(endpoint(std::vector{Cidr::parse("10.10.100.1/32"), Cidr::parse("10.10.7.0/24")},
                          Family::v4),
                 std::invalid_argument);
}

} // namespace
} // namespace ipam
