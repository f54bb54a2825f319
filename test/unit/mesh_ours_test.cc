#include "mesh/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

netlink::Link tunnel(int index, const std::string& name, const std::string& alias) {
    netlink::Link link;
    link.index = index;
    link.name = name;
    link.kind = "ipip";
    link.alias = alias;
    link.local = ip::Address::parse("172.16.5.126");
    link.remote = ip::Address::parse("172.16.5.127"); // ipip-ac10057f
    return link;
}

TEST(Ours, AreTunnelsOfAnyNetworkByNameAndAlias) {
    const Observed ours = select_ours(
        {.tunnels = {tunnel(2, "tunl0", ""), tunnel(3, "ipip-ac10057f", "podnet/host2"),
                     tunnel(4, "ipip-ac100580", "othernet/host3"),
                     tunnel(5, "ipip-ac100581", "mine"), tunnel(6, "ipip-office", "podnet/host2"),
                     tunnel(7, "tun1", "podnet/host2"), tunnel(8, "ipip-ac10058", "podnet/host2"),
                     tunnel(9, "ipip-ac100582", "")},
         .addresses = {},
         .routes = {}});
    EXPECT_THAT(ours.tunnels,
                ElementsAre(Field(&netlink::Link::index, 3), Field(&netlink::Link::index, 4)));
}

TEST(Ours, IsATunnelInTheMakingThatHasNoAliasYet) {
    EXPECT_EQ(
        select_ours({.tunnels = {tunnel(3, "ipip-ac10057f", "")}, .addresses = {}, .routes = {}})
            .tunnels.size(),
        1U);
}

TEST(Ours, AreAddressesByTheirLabel) {
    const auto address = [](const char* text, const char* label) {
        return netlink::InterfaceAddress{
            .link = 1, .local = ip::Address::parse(text), .peer = {}, .prefix = 32, .label = label};
    };
    const Observed ours =
        select_ours({.tunnels = {},
                     .addresses = {address("127.0.0.1", "lo"), address("10.10.100.10", "lo:ipip"),
                                   address("10.10.100.11", "lo:ipip2")},
                     .routes = {}});
    EXPECT_THAT(ours.addresses, ElementsAre(address("10.10.100.10", "lo:ipip")));
}

TEST(Ours, AreRoutesButThoseThatGoWithTheirDevice) {
    const auto route = [](const char* destination, int link) {
        return netlink::Route{.destination = ip::Cidr::parse(destination),
                              .link = link,
                              .protocol = netlink::own_protocol,
                              .unreachable = link == 0};
    };
    const Observed ours =
        select_ours({.tunnels = {tunnel(3, "ipip-ac10057f", "podnet/host2"), tunnel(4, "tun1", "")},
                     .addresses = {},
                     .routes = {route("10.10.100.0/24", 0), route("10.10.200.0/24", 3),
                                route("10.10.3.0/24", 4), route("10.10.4.0/24", 5)}});
    EXPECT_THAT(ours.routes, ElementsAre(route("10.10.100.0/24", 0), route("10.10.3.0/24", 4),
                                         route("10.10.4.0/24", 5)));
}

TEST(Ours, AreNoneWhereThereIsNothing) {
    const Observed ours = select_ours({});
    EXPECT_THAT(ours.tunnels, IsEmpty());
    EXPECT_THAT(ours.addresses, IsEmpty());
    EXPECT_THAT(ours.routes, IsEmpty());
}

} // namespace
} // namespace mesh
