#include "netlink/route.h"

#include "netlink/link.h"
#include "netlink/socket.h"
#include "test/kernel/scene.h"

#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

namespace netlink {
namespace {

using ip::Address;
using ip::Cidr;
using scene::Json;
using scene::Namespace;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

/// A host with two devices that are up, u0 (172.16.5.126/24) and u1 (172.16.6.126/24).
class RouteTest : public testing::Test {
  protected:
    RouteTest() {
        host_.ip("link add u0 type veth peer name p0\n"
                 "link add u1 type veth peer name p1\n"
                 "link set u0 addrgenmode none\n"
                 "link set u0 up\n"
                 "link set p0 addrgenmode none\n"
                 "link set p0 up\n"
                 "link set u1 addrgenmode none\n"
                 "link set u1 up\n"
                 "link set p1 addrgenmode none\n"
                 "link set p1 up\n"
                 "address add 172.16.5.126/24 dev u0\n"
                 "address add 172.16.6.126/24 dev u1\n"
                 "address add 10.10.100.10/32 dev lo\n");
        u0_ = to_link(socket_.find(get_link("u0"))).index;
        u1_ = to_link(socket_.find(get_link("u1"))).index;
    }

    int number_of(Request request) {
        const auto answer = socket_.exchange(std::move(request));
        return answer.error ? answer.error->number() : 0;
    }

    /// The routes of the main table as `ip route` shows them.
    Json shown(const std::string& selector) const {
        Json routes = host_.ip("route show " + selector + '\n').at(0);
        for (Json& route : routes)
            for (const char* uninteresting : {"flags", "type", "pref"})
                if (route.value("type", "") != "unreachable" ||
                    uninteresting != std::string("type"))
                    route.erase(uninteresting);
        return routes;
    }

    std::optional<RouteEntry> entry(const std::string& address) {
        const auto reply = socket_.find(get_route(Address::parse(address)));
        return reply ? std::optional(to_route(reply)) : std::nullopt;
    }

    static std::vector<int> links_of(const RouteEntry& entry) {
        std::vector<int> links{entry.route.link};
        links.insert(links.end(), entry.further_links.begin(), entry.further_links.end());
        return links;
    }

    /// The destinations found for the addresses, by their numbers.
    std::map<std::size_t, std::string> found_for(const std::vector<Address>& addresses) {
        std::map<std::size_t, std::string> found;
        find_routes(socket_, addresses, [&](std::size_t number, const RouteEntry& entry) {
            EXPECT_TRUE(found.emplace(number, entry.route.destination.to_string()).second);
        });
        return found;
    }

    Namespace host_;
    scene::Visit inside_{host_};
    Socket socket_;
    int u0_ = 0;
    int u1_ = 0;
};

TEST_F(RouteTest, AddsARouteToADeviceWithItsSource) {
    socket_.run(add_route({.destination = Cidr::parse("10.10.200.0/24"),
                           .link = u0_,
                           .source = Address::parse("10.10.100.10"),
                           .protocol = own_protocol}));
    EXPECT_EQ(shown("10.10.200.0/24"), Json::parse(R"([{
        "dst": "10.10.200.0/24", "dev": "u0", "protocol": "94", "scope": "link",
        "prefsrc": "10.10.100.10"}])"));
}

TEST_F(RouteTest, AddsADefaultRouteOverAGatewayThatNoOtherRouteLeadsTo) {
    socket_.run(add_route({.destination = Cidr::parse("0.0.0.0/0"),
                           .link = u0_,
                           .gateway = Address::parse("10.99.99.99"),
                           .protocol = own_protocol}));
    const Json routes = host_.json("ip -j route show default");
    ASSERT_EQ(routes.size(), 1U);
    EXPECT_EQ(routes[0].at("gateway"), "10.99.99.99");
    EXPECT_EQ(routes[0].at("dev"), "u0");
    EXPECT_EQ(routes[0].at("protocol"), "94");
    EXPECT_THAT(routes[0].at("flags"), ElementsAre("onlink"));
}

TEST_F(RouteTest, AddsAnUnreachableRouteOfALowPreference) {
    socket_.run(add_route({.destination = Cidr::parse("10.10.100.0/24"),
                           .metric = 4096,
                           .protocol = own_protocol,
                           .unreachable = true}));
    EXPECT_EQ(shown("10.10.100.0/24"), Json::parse(R"([{
        "type": "unreachable", "dst": "10.10.100.0/24", "protocol": "94", "scope": "global",
        "metric": 4096}])"));
}

TEST_F(RouteTest, DoesNotTouchARouteThatExists) {
    host_.ip("route add 10.10.200.0/24 dev u1\n");
    const Json before = host_.state();
    const Route route{
        .destination = Cidr::parse("10.10.200.0/24"), .link = u0_, .protocol = own_protocol};
    EXPECT_EQ(number_of(add_route(route)), EEXIST);
    EXPECT_EQ(host_.state(), before);
}

TEST_F(RouteTest, ReplacesARouteInOneStep) {
    Route route{
        .destination = Cidr::parse("10.10.200.0/24"), .link = u0_, .protocol = own_protocol};
    socket_.run(add_route(route));
    route.link = u1_;
    route.source = Address::parse("10.10.100.10");
    socket_.run(add_route(route, IfExists::replace));
    EXPECT_EQ(shown("10.10.200.0/24"), Json::parse(R"([{
        "dst": "10.10.200.0/24", "dev": "u1", "protocol": "94", "scope": "link",
        "prefsrc": "10.10.100.10"}])"));
}

TEST_F(RouteTest, ReplacesOnlyTheRouteOfItsMetric) {
    const Route far{.destination = Cidr::parse("10.10.200.0/24"),
                    .metric = 4096,
                    .protocol = own_protocol,
                    .unreachable = true};
    const Route near{
        .destination = Cidr::parse("10.10.200.0/24"), .link = u0_, .protocol = own_protocol};
    socket_.run(add_route(far, IfExists::replace));
    socket_.run(add_route(near, IfExists::replace));
    EXPECT_EQ(shown("10.10.200.0/24").size(), 2U);
    socket_.run(delete_route(near));
    EXPECT_EQ(shown("10.10.200.0/24"), Json::parse(R"([{
        "type": "unreachable", "dst": "10.10.200.0/24", "protocol": "94", "scope": "global",
        "metric": 4096}])"));
    socket_.run(delete_route(far));
    EXPECT_THAT(shown("10.10.200.0/24"), IsEmpty());
    EXPECT_EQ(number_of(delete_route(far)), ESRCH);
}

TEST_F(RouteTest, LeavesAForeignRouteOfItsDestinationWhenItsOwnGoes) {
    host_.ip("route add 10.10.200.0/24 dev u1 metric 7\n");
    const Route own{
        .destination = Cidr::parse("10.10.200.0/24"), .link = u0_, .protocol = own_protocol};
    const Json before = host_.state();
    socket_.run(add_route(own));
    socket_.run(delete_route(own));
    EXPECT_EQ(host_.state(), before);
    EXPECT_EQ(number_of(delete_route(own)), ESRCH);
    EXPECT_EQ(host_.state(), before);
}

TEST_F(RouteTest, RefusesASourceThatIsNoAddressOfTheHost) {
    EXPECT_EQ(number_of(add_route({.destination = Cidr::parse("10.10.200.0/24"),
                                   .link = u0_,
                                   .source = Address::parse("10.10.100.11"),
                                   .protocol = own_protocol})),
              EINVAL);
}

TEST_F(RouteTest, DumpsOnlyWhatTheProjectMade) {
    const Route device{.destination = Cidr::parse("10.10.200.0/24"),
                       .link = u0_,
                       .source = Address::parse("10.10.100.10"),
                       .protocol = own_protocol};
    const Route unreachable{.destination = Cidr::parse("10.10.100.0/24"),
                            .metric = 4096,
                            .protocol = own_protocol,
                            .unreachable = true};
    const Route onward{.destination = Cidr::parse("0.0.0.0/0"),
                       .link = u1_,
                       .gateway = Address::parse("172.16.6.1"),
                       .protocol = own_protocol};
    for (const Route& route : {device, unreachable, onward})
        socket_.run(add_route(route));
    host_.ip("route add 10.10.201.0/24 dev u0 proto static\n"
             "route add 10.10.202.0/24 dev u0 proto 93\n"
             "route add 10.10.203.0/24 dev u0 proto 94 table 100\n");
    EXPECT_THAT(dump_own_routes(socket_, ip::Family::v4),
                UnorderedElementsAre(device, unreachable, onward));
    EXPECT_THAT(dump_own_routes(socket_, ip::Family::v6), IsEmpty());
}

TEST(RouteTable, ThatNobodyEverPutARouteIntoHasNone) {
    const scene::Namespace untouched; // whose main table the kernel has not made yet
    const scene::Visit inside(untouched);
    Socket socket;
    EXPECT_THAT(dump_own_routes(socket, ip::Family::v4), IsEmpty());
}

TEST_F(RouteTest, DumpsTheFamilyAskedFor) {
    host_.ip("route add fd00:10::/64 dev u0 proto 94\n"
             "route add 10.10.200.0/24 dev u0 proto 94\n");
    const auto routes = dump_own_routes(socket_, ip::Family::v6);
    ASSERT_EQ(routes.size(), 1U);
    EXPECT_EQ(routes[0].destination, Cidr::parse("fd00:10::/64"));
    EXPECT_EQ(routes[0].link, u0_);
}

TEST_F(RouteTest, FindsTheHostsOwnAddress) {
    const auto found = entry("10.10.100.10");
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->local);
    EXPECT_FALSE(entry("172.16.5.127")->local);
}

TEST_F(RouteTest, FindsTheEntryAndNotTheAddressAskedFor) {
    host_.ip("route add 10.10.0.0/16 dev u0\n"
             "route add 10.10.200.0/24 dev u1 proto 94 src 10.10.100.10\n"
             "route add 10.10.200.7/32 dev u0 proto 94\n");
    EXPECT_EQ(entry("10.10.200.7")->route.destination, Cidr::parse("10.10.200.7/32"));
    const auto found = entry("10.10.200.8");
    EXPECT_EQ(found->route, (Route{.destination = Cidr::parse("10.10.200.0/24"),
                                   .link = u1_,
                                   .source = Address::parse("10.10.100.10"),
                                   .protocol = own_protocol}));
    EXPECT_THAT(links_of(*found), ElementsAre(u1_));
    EXPECT_EQ(found->route.mtu, 0U);
    EXPECT_EQ(entry("10.10.1.1")->route.destination, Cidr::parse("10.10.0.0/16"));
}

TEST_F(RouteTest, FindsTheDefaultRouteOrNone) {
    EXPECT_EQ(entry("198.51.100.1"), std::nullopt);
    host_.ip("route add default via 172.16.6.1\n");
    const auto found = entry("198.51.100.1");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->route.destination, Cidr::parse("0.0.0.0/0"));
    EXPECT_EQ(found->route.gateway, Address::parse("172.16.6.1"));
    EXPECT_THAT(links_of(*found), ElementsAre(u1_));
}

TEST_F(RouteTest, FindsAllDevicesOfAMultipathRoute) {
    host_.ip("route add 192.0.2.0/24 nexthop via 172.16.5.1 nexthop via 172.16.6.1\n");
    EXPECT_THAT(links_of(*entry("192.0.2.1")), UnorderedElementsAre(u0_, u1_));
}

TEST_F(RouteTest, FindsTheDevicesOfNexthopObjects) {
    host_.ip("nexthop add id 5 via 172.16.5.1 dev u0\n"
             "nexthop add id 6 via 172.16.6.1 dev u1\n"
             "nexthop add id 7 group 5/6\n"
             "route add 192.0.2.0/24 nhid 6\n"
             "route add 192.0.3.0/24 nhid 7\n");
    EXPECT_THAT(links_of(*entry("192.0.2.1")), ElementsAre(u1_));
    EXPECT_THAT(links_of(*entry("192.0.3.1")), UnorderedElementsAre(u0_, u1_));
}

TEST_F(RouteTest, FindsTheMtuOfTheRoute) {
    host_.ip("route add 192.0.2.0/24 via 172.16.5.1 mtu 1400\n"
             "route add 192.0.3.0/24 via 172.16.5.1 mtu lock 1300\n");
    EXPECT_EQ(entry("192.0.2.1")->route.mtu, 1400U);
    EXPECT_EQ(entry("192.0.3.1")->route.mtu, 1300U);
}

TEST_F(RouteTest, FindsIpv6Routes) {
    host_.ip("route add fd00:10::/64 dev u0 proto 94\n"
             "route add ::/0 dev u1\n");
    EXPECT_EQ(entry("fd00:10::7")->route.destination, Cidr::parse("fd00:10::/64"));
    EXPECT_EQ(entry("2001:db8::1")->route.destination, Cidr::parse("::/0"));
}

TEST_F(RouteTest, FindsNothingWhereTheRouteSaysNo) {
    host_.ip("route add unreachable 192.0.2.0/24\n");
    EXPECT_EQ(entry("192.0.2.1"), std::nullopt);
}

TEST_F(RouteTest, FindsTheRouteToEachOfManyAddresses) {
    for (const std::size_t count : {0U, 1U, 63U, 64U, 65U, 128U, 200U}) {
        std::vector<Address> addresses;
        std::map<std::size_t, std::string> expected;
        std::string routes;
        for (std::size_t i = 0; i < count; ++i) {
            const std::string text = "10.9." + std::to_string(count) + '.' + std::to_string(i);
            addresses.push_back(Address::parse(text));
            if (i % 3 != count % 2) // no route to the rest, be they the first or the last
                continue;
            routes += "route add " + text + "/32 dev u0\n";
            expected.emplace(i, text + "/32");
        }
        host_.ip(routes);
        EXPECT_EQ(found_for(addresses), expected) << count;
    }
}

TEST_F(RouteTest, FindsWhatIsAskedForAfterALookThatWasGivenUp) {
    const std::vector<Address> addresses(100, Address::parse("172.16.5.1"));
    struct Enough {};
    EXPECT_THROW(
        find_routes(socket_, addresses, [](std::size_t, const RouteEntry&) { throw Enough(); }),
        Enough);
    EXPECT_EQ(to_link(socket_.find(get_link("u1"))).index, u1_);
    EXPECT_EQ(found_for(addresses).size(), addresses.size());
}

TEST_F(RouteTest, RefusesToAskAboutTwoFamiliesAtOnce) {
    EXPECT_THROW(found_for({Address::parse("172.16.5.1"), Address::parse("fd00:10::7")}),
                 std::invalid_argument);
}

TEST_F(RouteTest, FindsNoRouteToAnyOfMany) {
    EXPECT_THAT(found_for(std::vector(100, Address::parse("192.0.2.1"))), IsEmpty());
    EXPECT_TRUE(entry("172.16.5.1")) << "the answers that came are those of another question";
}

TEST_F(RouteTest, FindsTheRoutesToManyIpv6Addresses) {
    host_.ip("route add fd00:10::/64 dev u0\n"
             "route add fd00:11::/64 dev u1\n");
    EXPECT_EQ(found_for({Address::parse("fd00:11::7"), Address::parse("fd00:12::7"),
                         Address::parse("fd00:10::7")}),
              (std::map<std::size_t, std::string>{{0, "fd00:11::/64"}, {2, "fd00:10::/64"}}));
}

} // namespace
} // namespace netlink
