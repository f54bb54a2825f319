#include "netlink/pod_link.h"

#include "netlink/error.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "test/kernel/scene.h"
#include "test/kernel/udp.h"

#include <cerrno>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>

namespace netlink {
namespace {

using ip::Address;
using scene::Json;
using scene::Namespace;
using scene::Udp;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;

/// A host whose endpoint is 10.10.100.10, beside a lower address of its own, and a pod.
class PodLinkTest : public testing::Test {
  protected:
    PodLinkTest() {
        host_.ip("link add u0 type veth peer name p0\n"
                 "link set u0 addrgenmode none\n"
                 "link set u0 up\n"
                 "link set p0 addrgenmode none\n"
                 "link set p0 up\n"
                 "address add 10.0.0.1/24 dev u0\n"
                 "address add 10.10.100.10/32 dev lo\n"
                 "address add fd00:10::10/128 dev lo nodad\n");
    }

    static PodLink link() {
        return {.host_name = "veth0123456789a",
                .alias = "podnet: default/web eth0",
                .pod_name = "eth0",
                .host_mac = ip::Mac::parse("0a:58:0a:0a:64:01"),
                .pod_mac = ip::Mac::parse("0a:58:0a:0a:64:02"),
                .mtu = 1480,
                .addresses = {Address::parse("10.10.100.11")},
                .gateways = {Address::parse("10.10.100.10")},
                .routes = {{.destination = ip::Cidr::parse("0.0.0.0/0")}}};
    }
    static PodLink dual_stack_link() {
        PodLink both = link();
        both.addresses.push_back(Address::parse("fd00:10::11"));
        both.gateways.push_back(Address::parse("fd00:10::10"));
        both.routes.push_back({.destination = ip::Cidr::parse("::/0")});
        return both;
    }

    /// The errno that attach() fails with, having left nothing in either namespace; 0 for none.
    int failure(const PodLink& wanted) {
        const Json host_before = host_.state();
        const Json pod_before = pod_.state();
        int number = 0;
        try {
            attach(socket_, target_, wanted);
        } catch (const Error& error) {
            number = error.number();
        }
        EXPECT_EQ(host_.state(), host_before);
        EXPECT_EQ(pod_.state(), pod_before);
        return number;
    }

    static Json device(const Namespace& space, const std::string& name) {
        return scene::find(space.json("ip -j -d link show"), "ifname", name);
    }
    /// The routes that the project made, as `ip route` shows them.
    static Json routes(const Namespace& space) {
        Json own = Json::array();
        const Json all = space.ip("route show table all\n").at(0);
        for (const Json& route : all)
            if (route.value("protocol", "") == "94")
                own.push_back(route);
        return own;
    }
    /// Whether the kernel gives a link its multicast route at the latest when it is asked for it.
    static bool is_asked_in_time() {
        utsname kernel{};
        uname(&kernel);
        return strverscmp(kernel.release, "6.8") >= 0;
    }
    /// Whether the host sends IPv6's multicast into the end of the pod's link.
    bool has_multicast_route() const {
        return !host_.run("ip -6 route show table local type multicast dev veth0123456789a")
                    .out.empty();
    }
    static int ping(const Namespace& space, const std::string& address) {
        return space.run("ping -n -c 1 -W 10 " + address).status;
    }

    Namespace host_;
    Namespace pod_;
    scene::Visit inside_{host_};
    Socket socket_;
    Pod target_{Netns::open(pod_.path())};
};

TEST_F(PodLinkTest, TheHostHasTheEndAndTheRouteToThePod) {
    attach(socket_, target_, link());
    const Json end = device(host_, "veth0123456789a");
    EXPECT_EQ(end.at("ifalias"), "podnet: default/web eth0");
    EXPECT_EQ(end.at("address"), "0a:58:0a:0a:64:01");
    EXPECT_EQ(end.at("mtu"), 1480);
    EXPECT_EQ(end.at("inet6_addr_gen_mode"), "none");
    EXPECT_THAT(end.at("flags"), Contains("UP"));
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/veth0123456789a/forwarding"), "1");
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/veth0123456789a/rp_filter"), "1");
    EXPECT_EQ(routes(host_), Json::parse(R"([{
        "type": "unicast", "dst": "10.10.100.11", "dev": "veth0123456789a", "table": "main",
        "protocol": "94", "scope": "link", "prefsrc": "10.10.100.10", "flags": []}])"));
}

TEST_F(PodLinkTest, TheHostKeepsNoMulticastRouteToAPodWithoutIpv6) {
    if (!is_asked_in_time())
        GTEST_SKIP() << "before Linux 6.8 the route comes after attach() has returned";
    attach(socket_, target_, link());
    EXPECT_FALSE(has_multicast_route());
}

TEST_F(PodLinkTest, ThePodHasItsAddressAndAllElseLeadsThroughItsNode) {
    attach(socket_, target_, link());
    const Json end = device(pod_, "eth0");
    EXPECT_EQ(end.at("address"), "0a:58:0a:0a:64:02");
    EXPECT_EQ(end.at("mtu"), 1480);
    EXPECT_EQ(end.at("inet6_addr_gen_mode"), "none");
    EXPECT_THAT(end.at("flags"), Contains("UP"));
    const auto shown = pod_.ip("address show dev eth0\n"
                               "neighbour show dev eth0 nud permanent\n");
    const Json addresses = shown.at(0).at(0).at("addr_info");
    ASSERT_EQ(addresses.size(), 1U);
    EXPECT_EQ(addresses[0].at("local"), "10.10.100.11");
    EXPECT_EQ(addresses[0].at("prefixlen"), 32);
    EXPECT_EQ(addresses[0].at("scope"), "global");
    EXPECT_EQ(shown.at(1), Json::parse(R"([{
        "dst": "10.10.100.10", "lladdr": "0a:58:0a:0a:64:01", "state": ["PERMANENT"]}])"));
    EXPECT_EQ(routes(pod_), Json::parse(R"([
        {"type": "unicast", "dst": "default", "gateway": "10.10.100.10", "dev": "eth0",
         "table": "main", "protocol": "94", "scope": "global", "flags": ["onlink"]},
        {"type": "unicast", "dst": "10.10.100.10", "dev": "eth0",
         "table": "main", "protocol": "94", "scope": "link", "flags": []}])"));
}

TEST_F(PodLinkTest, NothingElseOfTheHostIsTouched) {
    const Json before = host_.state();
    attach(socket_, target_, link());
    Json after = host_.state();
    EXPECT_EQ(after.at("sysctls").at("all/forwarding"), "0");
    EXPECT_EQ(after.at("sysctls").at("u0/forwarding"), "0");
    EXPECT_EQ(after.at("rules"), before.at("rules"));
    EXPECT_EQ(after.at("nftables"), before.at("nftables"));
    EXPECT_THAT(after.at("routes"), IsSupersetOf(before.at("routes")));
    EXPECT_EQ(after.at("links").size(), before.at("links").size() + 1);
    EXPECT_THAT(after.at("links"), IsSupersetOf(before.at("links")));
}

TEST_F(PodLinkTest, HostAndPodReachEachOther) {
    attach(socket_, target_, link());
    EXPECT_EQ(ping(host_, "10.10.100.11"), 0);
    EXPECT_EQ(ping(pod_, "10.10.100.10"), 0);
    EXPECT_EQ(ping(pod_, "10.0.0.1"), 0);
}

TEST_F(PodLinkTest, ThePodSeesTheHostWithItsEndpointsAddress) {
    attach(socket_, target_, link());
    const Udp in_pod(pod_, "10.10.100.11");
    const Udp on_host(host_);
    on_host.send("10.10.100.11", in_pod.port(), "hello");
    EXPECT_EQ(in_pod.receive(), (scene::Datagram{"10.10.100.10", "hello"}));
}

TEST_F(PodLinkTest, WhatThePodSendsFromAnAddressNotItsOwnIsDropped) {
    attach(socket_, target_, link());
    pod_.ip("address add 10.10.100.99/32 dev lo\n");
    const Udp on_host(host_, "10.10.100.10");
    Udp(pod_, "10.10.100.99").send("10.10.100.10", on_host.port(), "forged");
    Udp(pod_, "10.10.100.11").send("10.10.100.10", on_host.port(), "honest");
    EXPECT_EQ(on_host.receive(), (scene::Datagram{"10.10.100.11", "honest"}));
}

TEST_F(PodLinkTest, TheSourceCheckCanBeOff) {
    PodLink unchecked = link();
    unchecked.check_source = false;
    attach(socket_, target_, unchecked);
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/veth0123456789a/rp_filter"), "0");
    pod_.ip("address add 10.10.100.99/32 dev lo\n");
    const Udp on_host(host_, "10.10.100.10");
    Udp(pod_, "10.10.100.99").send("10.10.100.10", on_host.port(), "another's");
    EXPECT_EQ(on_host.receive(), (scene::Datagram{"10.10.100.99", "another's"}));
}

TEST_F(PodLinkTest, TwoPodsReachEachOtherThroughTheirNode) {
    const Namespace second_pod;
    attach(socket_, target_, link());
    PodLink second = link();
    second.host_name = "veth0123456789b";
    second.addresses = {Address::parse("10.10.100.12")};
    second.host_mac = ip::Mac::parse("0a:58:0a:0a:64:03");
    second.pod_mac = ip::Mac::parse("0a:58:0a:0a:64:04");
    Pod second_target(Netns::open(second_pod.path()));
    attach(socket_, second_target, second);
    EXPECT_EQ(ping(pod_, "10.10.100.12"), 0);
    EXPECT_EQ(ping(second_pod, "10.10.100.11"), 0);
}

TEST_F(PodLinkTest, BothFamiliesAreWiredAlike) {
    attach(socket_, target_, dual_stack_link());
    EXPECT_FALSE(scene::find(routes(host_), "dst", "10.10.100.11").is_null());
    const Json host_route = scene::find(routes(host_), "dst", "fd00:10::11");
    EXPECT_EQ(host_route.value("dev", ""), "veth0123456789a");
    EXPECT_EQ(host_route.value("prefsrc", ""), "fd00:10::10");
    EXPECT_TRUE(scene::comes_true([&] { return has_multicast_route(); }));
    EXPECT_FALSE(scene::find(routes(pod_), "gateway", "10.10.100.10").is_null());
    const Json pod_route = scene::find(routes(pod_), "gateway", "fd00:10::10");
    EXPECT_EQ(pod_route.value("dst", ""), "default");
    EXPECT_THAT(pod_route.value("flags", Json()), Contains("onlink"));
    const Json addresses = pod_.ip("address show dev eth0\n").at(0).at(0).at("addr_info");
    EXPECT_EQ(scene::find(addresses, "local", "fd00:10::11").value("prefixlen", 0), 128);
    EXPECT_FALSE(scene::find(addresses, "local", "10.10.100.11").is_null());
}

TEST_F(PodLinkTest, DetachLeavesNothingAndMayComeTwice) {
    // The kernel adds the routes of IPv6 addresses some time after these: wait for the host's own.
    Json host_before = host_.state();
    const auto settled = [&] {
        return !scene::find(host_before.at("routes"), "dst", "fd00:10::10").is_null();
    };
    for (int tries = 0; tries < 100 && !settled(); ++tries)
        host_before = host_.state();
    const Json pod_before = pod_.state();
    for (const PodLink& wanted : {link(), dual_stack_link()}) {
        attach(socket_, target_, wanted);
        EXPECT_TRUE(look_at_pod(target_, "eth0").has_link);
        EXPECT_TRUE(detach(socket_, wanted.host_name));
        EXPECT_EQ(host_.state(), host_before);
        EXPECT_EQ(pod_.state(), pod_before);
        EXPECT_FALSE(detach(socket_, wanted.host_name));
    }
}

TEST_F(PodLinkTest, DetachNeedsNothingOfThePod) {
    const Json before = host_.state();
    {
        const Namespace gone;
        Pod target(Netns::open(gone.path()));
        attach(socket_, target, link());
    }
    detach(socket_, "veth0123456789a"); // unless the kernel was faster: the pod's end its namespace
    EXPECT_EQ(host_.state(), before);
    EXPECT_FALSE(detach(socket_, "veth0123456789a"));
}

TEST_F(PodLinkTest, FailsWithoutATraceWhereTheGatewayIsNoAddressOfTheHost) {
    PodLink wanted = link();
    wanted.gateways = {Address::parse("10.10.100.77")};
    EXPECT_EQ(failure(wanted), EINVAL);
}

TEST_F(PodLinkTest, FailsWithoutATraceWhereTheHostHasARouteToThePodsAddress) {
    host_.ip("route add 10.10.100.11/32 dev u0\n");
    EXPECT_EQ(failure(link()), EEXIST);
}

TEST_F(PodLinkTest, FailsWithoutATraceWhereThePodHasAnInterfaceOfTheName) {
    pod_.ip("link add eth0 type veth peer name other\n");
    EXPECT_EQ(failure(link()), EEXIST);
}

TEST_F(PodLinkTest, FailsWithoutATraceWhereThePodHasADefaultRouteAlready) {
    pod_.ip("link add net1 type veth peer name other\n"
            "link set net1 addrgenmode none\n"
            "link set net1 up\n"
            "address add 192.0.2.2/24 dev net1\n"
            "route add default via 192.0.2.1\n");
    EXPECT_EQ(failure(link()), EEXIST);
}

TEST_F(PodLinkTest, FailsWithoutATraceWhereTheHostRefusesThePodsSecondLink) {
    host_.ip("route add 10.10.100.11/32 dev u0\n");
    PodLink second = link();
    second.own_table = true; // whose rules in the pod are there by then
    EXPECT_EQ(failure(second), EEXIST);
}

TEST_F(PodLinkTest, LeavesADeviceAloneThatHasTheNameOfItsHostEnd) {
    host_.ip("link add veth0123456789a type veth peer name other\n");
    EXPECT_EQ(failure(link()), EEXIST);
}

TEST_F(PodLinkTest, CanBeAttachedAgainAfterAFailure) {
    PodLink wanted = link();
    wanted.gateways = {Address::parse("10.10.100.77")};
    EXPECT_EQ(failure(wanted), EINVAL);
    attach(socket_, target_, link());
    EXPECT_EQ(ping(pod_, "10.10.100.10"), 0);
}

TEST_F(PodLinkTest, SeesWhichInterfacesAndDefaultRoutesThePodHas) {
    EXPECT_TRUE(look_at_pod(target_, "lo").has_link);
    EXPECT_FALSE(look_at_pod(target_, "eth0").has_link);
    EXPECT_THAT(look_at_pod(target_, "eth0").default_routes, IsEmpty());
    attach(socket_, target_, link());
    EXPECT_THAT(look_at_pod(target_, "net1").default_routes, ElementsAre(ip::Family::v4));
}

TEST_F(PodLinkTest, CanBeAttachedBeforeItsAddressesAreKnown) {
    PodLink bare = link();
    bare.addresses = {};
    bare.gateways = {};
    bare.routes = {};
    const PodEnds ends = attach(socket_, target_, bare);
    EXPECT_THAT(device(pod_, "eth0").at("flags"), Contains("UP"));
    assign(socket_, target_, link(), ends);
    EXPECT_TRUE(!is_asked_in_time() || !has_multicast_route());
    EXPECT_EQ(ping(host_, "10.10.100.11"), 0);
    EXPECT_EQ(ping(pod_, "10.0.0.1"), 0);
}

TEST_F(PodLinkTest, ASecondOneAnswersOverItselfAndLeavesTheRestToTheFirst) {
    attach(socket_, target_, link());
    const Json before = pod_.state();
    PodLink second = link();
    second.host_name = "veth0123456789b";
    second.pod_name = "net1";
    second.addresses = {Address::parse("10.10.100.12")};
    second.host_mac = ip::Mac::parse("0a:58:0a:0a:64:03");
    second.pod_mac = ip::Mac::parse("0a:58:0a:0a:64:04");
    second.own_table = true;
    const PodEnds ends = attach(socket_, target_, second);
    EXPECT_THAT(dump_own_rules(target_.socket(), ip::Family::v4),
                ElementsAre(Rule{Address::parse("10.10.100.12"), own_table(ends)}));
    EXPECT_EQ(ping(host_, "10.10.100.12"), 0) << "with the source check on";
    EXPECT_EQ(ping(host_, "10.10.100.11"), 0);
    EXPECT_EQ(pod_.run("ping -n -c 1 -W 10 -I 10.10.100.12 10.0.0.1").status, 0);
    EXPECT_EQ(ping(pod_, "10.0.0.1"), 0);
    detach(socket_, second.host_name);
    forget_own_table(target_, second.addresses);
    EXPECT_EQ(pod_.state(), before);
}

TEST_F(PodLinkTest, GetsTheRoutesThatItIsTold) {
    PodLink wanted = link();
    wanted.routes = {{.destination = ip::Cidr::parse("10.0.0.0/8"), .mtu = 1300, .advmss = 1200},
                     {.destination = ip::Cidr::parse("192.0.2.0/24"), .metric = 7, .table = 9}};
    attach(socket_, target_, wanted);
    const Json own = routes(pod_);
    EXPECT_TRUE(scene::find(own, "dst", "default").is_null());
    const Json first = scene::find(own, "dst", "10.0.0.0/8");
    EXPECT_EQ(first.at("metrics"), Json::parse(R"([{"mtu": 1300, "advmss": 1200}])"));
    const Json second = scene::find(own, "dst", "192.0.2.0/24");
    EXPECT_EQ(second.at("metric"), 7);
    EXPECT_EQ(second.at("table"), "9");
}

} // namespace
} // namespace netlink
