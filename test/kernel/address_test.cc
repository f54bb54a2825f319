#include "netlink/address.h"

#include "netlink/link.h"
#include "netlink/neighbour.h"
#include "netlink/socket.h"
#include "test/kernel/scene.h"

#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netlink {
namespace {

using ip::Address;
using scene::Json;
using scene::Namespace;
using testing::Contains;
using testing::IsEmpty;
using testing::IsSupersetOf;

class AddressTest : public testing::Test {
  protected:
    AddressTest() {
        host_.ip("link add v0 type veth peer name v1\n"
                 "link set v0 addrgenmode none\n"
                 "link set v0 up\n"
                 "link set v1 addrgenmode none\n"
                 "link set v1 up\n");
        v0_ = to_link(socket_.find(get_link("v0"))).index;
    }

    int number_of(Request request) {
        const auto answer = socket_.exchange(std::move(request));
        return answer.error ? answer.error->number() : 0;
    }

    /// The addresses of a device as `ip address` shows them.
    Json shown(const std::string& device) const {
        Json list = host_.json("ip -j address show dev " + device).at(0).at("addr_info");
        for (Json& address : list)
            for (const char* uninteresting :
                 {"valid_life_time", "preferred_life_time", "tentative"})
                address.erase(uninteresting);
        return list;
    }

    Namespace host_;
    scene::Visit inside_{host_};
    Socket socket_;
    int v0_ = 0;
};

TEST_F(AddressTest, AddsAnAddressWithItsPeer) {
    const InterfaceAddress address{.link = v0_,
                                   .local = Address::parse("10.10.100.10"),
                                   .peer = Address::parse("10.10.200.10"),
                                   .prefix = 32,
                                   .label = "v0"};
    socket_.run(add_address(address));
    EXPECT_EQ(shown("v0"), Json::parse(R"([{
        "family": "inet", "local": "10.10.100.10", "address": "10.10.200.10", "prefixlen": 32,
        "scope": "global", "label": "v0"}])"));
    EXPECT_THAT(dump_addresses(socket_, ip::Family::v4), Contains(address));
}

TEST_F(AddressTest, AddsAnAddressWithALabelForTheLinkOnly) {
    const InterfaceAddress address{.link = 1,
                                   .local = Address::parse("10.10.100.10"),
                                   .peer = {},
                                   .prefix = 32,
                                   .label = "lo:ipip",
                                   .link_scope = true};
    socket_.run(add_address(address));
    EXPECT_EQ(scene::find(shown("lo"), "local", "10.10.100.10"), Json::parse(R"({
        "family": "inet", "local": "10.10.100.10", "prefixlen": 32, "scope": "link",
        "label": "lo:ipip"})"));
    EXPECT_THAT(dump_addresses(socket_, ip::Family::v4), Contains(address));
}

TEST_F(AddressTest, AddsIpv6Addresses) {
    const InterfaceAddress address{
        .link = v0_, .local = Address::parse("fd00:10::10"), .peer = {}, .prefix = 128};
    socket_.run(add_address(address));
    EXPECT_EQ(shown("v0"), Json::parse(R"([{
        "family": "inet6", "local": "fd00:10::10", "prefixlen": 128, "scope": "global"}])"));
    EXPECT_THAT(dump_addresses(socket_, ip::Family::v6), Contains(address));
}

TEST_F(AddressTest, DoesNotTouchAnAddressThatExists) {
    host_.ip("address add 10.10.100.10 peer 10.10.200.10 dev v0 label v0:mine\n");
    const Json before = host_.state();
    EXPECT_EQ(number_of(add_address({.link = v0_,
                                     .local = Address::parse("10.10.100.10"),
                                     .peer = Address::parse("10.10.200.10"),
                                     .prefix = 32})),
              EEXIST);
    EXPECT_EQ(host_.state(), before);
}

TEST_F(AddressTest, BearsTheSameAddressTowardsSeveralPeers) {
    for (const char* peer : {"10.10.200.10", "10.10.201.10", "10.10.202.10"})
        socket_.run(add_address({.link = v0_,
                                 .local = Address::parse("10.10.100.10"),
                                 .peer = Address::parse(peer),
                                 .prefix = 32}));
    EXPECT_EQ(shown("v0").size(), 3U);
}

TEST_F(AddressTest, DeletesTheAddressOfThatPeerOnly) {
    const auto towards = [&](const char* peer) {
        return InterfaceAddress{.link = v0_,
                                .local = Address::parse("10.10.100.10"),
                                .peer = Address::parse(peer),
                                .prefix = 32};
    };
    socket_.run(add_address(towards("10.10.200.10")));
    socket_.run(add_address(towards("10.10.201.10")));
    for (const char* peer : {"10.10.201.10", "10.10.200.10"}) {
        EXPECT_FALSE(scene::find(shown("v0"), "address", peer).is_null());
        socket_.run(delete_address(towards(peer)));
        EXPECT_TRUE(scene::find(shown("v0"), "address", peer).is_null());
    }
    EXPECT_EQ(number_of(delete_address(towards("10.10.200.10"))), EADDRNOTAVAIL);
}

TEST_F(AddressTest, ReadsTheAddressesOfAllDevicesAsTheyAre) {
    host_.ip("address add 172.16.5.126/24 dev v0\n"
             "address add 10.0.0.1 peer 10.0.0.2/30 dev v1 label v1:far scope link\n");
    const int v1 = to_link(socket_.find(get_link("v1"))).index;
    EXPECT_THAT(dump_addresses(socket_, ip::Family::v4),
                IsSupersetOf({InterfaceAddress{.link = v0_,
                                               .local = Address::parse("172.16.5.126"),
                                               .peer = {},
                                               .prefix = 24,
                                               .label = "v0"},
                              InterfaceAddress{.link = v1,
                                               .local = Address::parse("10.0.0.1"),
                                               .peer = Address::parse("10.0.0.2"),
                                               .prefix = 30,
                                               .label = "v1:far",
                                               .link_scope = true}}));
}

TEST_F(AddressTest, AddsAPermanentNeighbourOrChangesIt) {
    for (const char* mac : {"0a:58:0a:0a:64:01", "0a:58:0a:0a:64:02"}) {
        socket_.run(add_neighbour(v0_, Address::parse("10.10.100.10"), ip::Mac::parse(mac)));
        EXPECT_EQ(host_.json("ip -j -4 neighbour show"),
                  Json::parse(std::string(R"([{"dst": "10.10.100.10", "dev": "v0", "lladdr": ")") +
                              mac + R"(", "state": ["PERMANENT"]}])"));
    }
}

TEST_F(AddressTest, AddsAnIpv6Neighbour) {
    socket_.run(
        add_neighbour(v0_, Address::parse("fd00:10::10"), ip::Mac::parse("0a:58:0a:0a:64:01")));
    EXPECT_EQ(host_.json("ip -j -6 neighbour show nud permanent"),
              Json::parse(R"([{"dst": "fd00:10::10", "dev": "v0", "lladdr": "0a:58:0a:0a:64:01",
                               "state": ["PERMANENT"]}])"));
}

TEST_F(AddressTest, RefusesANeighbourOnNoDevice) {
    EXPECT_EQ(number_of(add_neighbour(4711, Address::parse("10.10.100.10"),
                                      ip::Mac::parse("0a:58:0a:0a:64:01"))),
              ENODEV);
}

} // namespace
} // namespace netlink
