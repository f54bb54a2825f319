#include "netlink/nftables.h"

#include "test/kernel/scene.h"
#include "test/kernel/udp.h"

#include <gtest/gtest.h>

namespace netlink {
namespace {

using ip::Cidr;
using scene::Namespace;
using scene::Udp;

/// What a receiver outside the node sees. A pod, its node, and a machine outside that has the
/// addresses of the world and of another node's pods; it knows the way back to the pod.
class NatTrafficTest : public testing::Test {
  protected:
    NatTrafficTest() {
        // Nobody else is here: no need to ask for two seconds whether an address is taken.
        for (const Namespace* space : {&node_, &pod_, &outside_})
            space->set_sysctl("net/ipv6/conf/default/accept_dad", "0");
        node_.ip("link add pod0 type veth peer name eth0 netns " + pod_.path() +
                 "\n"
                 "link add up0 type veth peer name eth0 netns " +
                 outside_.path() +
                 "\n"
                 "link set pod0 up\n"
                 "link set up0 up\n"
                 "address add 10.10.100.10/24 dev pod0\n"
                 "address add 192.0.2.1/24 dev up0\n"
                 "route add 10.10.200.0/24 via 192.0.2.2\n"
                 "address add fd00:10:100::10/64 dev pod0 nodad\n"
                 "address add 2001:db8::1/64 dev up0 nodad\n"
                 "route add fd00:10:200::/64 via 2001:db8::2\n");
        pod_.ip("link set eth0 up\n"
                "address add 10.10.100.11/24 dev eth0\n"
                "route add default via 10.10.100.10\n"
                "address add fd00:10:100::11/64 dev eth0 nodad\n"
                "route add ::/0 via fd00:10:100::10\n");
        outside_.ip("link set eth0 up\n"
                    "address add 192.0.2.2/24 dev eth0\n"
                    "address add 10.10.200.11/32 dev eth0\n"
                    "route add 10.10.100.0/24 via 192.0.2.1\n"
                    "address add 2001:db8::2/64 dev eth0 nodad\n"
                    "address add fd00:10:200::11/128 dev eth0 nodad\n"
                    "route add fd00:10:100::/64 via 2001:db8::1\n");
        node_.set_sysctl("net/ipv4/ip_forward", "1");
        node_.set_sysctl("net/ipv6/conf/all/forwarding", "1");
    }

    /// The sender that `to` sees, an address outside, in a datagram from `from` in `space`.
    std::string seen(const Namespace& space, const std::string& from, const std::string& to) const {
        const Udp receiver(outside_, to);
        const Udp sender(space, from);
        sender.send(to, receiver.port(), "hello");
        return receiver.receive().source;
    }

    void masquerade_in_node() const {
        node_.in([] {
            set_rules({.masquerade = Masquerade{.sources = {Cidr::parse("10.10.100.0/24"),
                                                            Cidr::parse("fd00:10:100::/64")},
                                                .spared = {Cidr::parse("10.10.100.0/24"),
                                                           Cidr::parse("10.10.200.0/24"),
                                                           Cidr::parse("fd00:10:100::/64"),
                                                           Cidr::parse("fd00:10:200::/64")}},
                       .source_check = {}});
        });
    }

    Namespace node_;
    Namespace pod_;
    Namespace outside_;
};

TEST_F(NatTrafficTest, WithoutTheRuleAPodIsSeenWithItsOwnAddress) {
    EXPECT_EQ(seen(pod_, "10.10.100.11", "192.0.2.2"), "10.10.100.11");
    EXPECT_EQ(seen(pod_, "fd00:10:100::11", "2001:db8::2"), "fd00:10:100::11");
}

TEST_F(NatTrafficTest, OutsideTheClusterAPodIsSeenWithItsNodesAddress) {
    masquerade_in_node();
    EXPECT_EQ(seen(pod_, "10.10.100.11", "192.0.2.2"), "192.0.2.1");
    EXPECT_EQ(seen(pod_, "fd00:10:100::11", "2001:db8::2"), "2001:db8::1");
}

TEST_F(NatTrafficTest, AnotherNodesPodSeesAPodWithItsOwnAddress) {
    masquerade_in_node();
    EXPECT_EQ(seen(pod_, "10.10.100.11", "10.10.200.11"), "10.10.100.11");
    EXPECT_EQ(seen(pod_, "fd00:10:100::11", "fd00:10:200::11"), "fd00:10:100::11");
}

TEST_F(NatTrafficTest, WhatIsNotFromAPodOfTheNodeKeepsItsSource) {
    masquerade_in_node();
    node_.ip("address add 172.20.0.1/32 dev lo\n");
    outside_.ip("route add 172.20.0.0/16 via 192.0.2.1\n");
    EXPECT_EQ(seen(node_, "172.20.0.1", "192.0.2.2"), "172.20.0.1");
}

TEST_F(NatTrafficTest, TheAnswerFindsBackToThePod) {
    masquerade_in_node();
    const Udp outside(outside_, "192.0.2.2");
    const Udp in_pod(pod_, "10.10.100.11");
    in_pod.send("192.0.2.2", outside.port(), "question");
    outside.answer("answer");
    EXPECT_EQ(in_pod.receive(), (scene::Datagram{"192.0.2.2", "answer"}));
}

TEST_F(NatTrafficTest, RemovingTheRuleEndsIt) {
    masquerade_in_node();
    node_.in([] { remove_rules(); });
    EXPECT_EQ(seen(pod_, "10.10.100.11", "192.0.2.2"), "10.10.100.11");
}

} // namespace
} // namespace netlink
