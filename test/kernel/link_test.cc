#include "netlink/link.h"

#include "netlink/forwarding.h"
#include "netlink/netns.h"
#include "netlink/socket.h"
#include "test/kernel/scene.h"

#include <algorithm>
#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netlink {
namespace {

using scene::Json;
using scene::Namespace;
using testing::Contains;
using testing::IsEmpty;
using testing::Not;

const VethPair pair_of_ends{.host_name = "veth0123456789a",
                            .pod_name = "eth0",
                            .host_mac = ip::Mac::parse("0a:58:0a:0a:64:01"),
                            .pod_mac = ip::Mac::parse("0a:58:0a:0a:64:02"),
                            .mtu = 1480};

class LinkTest : public testing::Test {
  protected:
    /// The errno that a request fails with, 0 for none.
    int number_of(Request request) {
        const auto answer = socket_.exchange(std::move(request));
        return answer.error ? answer.error->number() : 0;
    }

    /// As `ip link` shows it; null where it is missing.
    static Json shown(const Namespace& space, const std::string& name) {
        return scene::find(space.json("ip -j -d link show"), "ifname", name);
    }
    static std::vector<std::string> flags_of(const Json& link) { return link.at("flags"); }

    Namespace host_;
    Namespace pod_;
    scene::Visit inside_{host_};
    Socket socket_;
    Netns pod_space_ = Netns::open(pod_.path());
};

TEST_F(LinkTest, MakesBothEndsOfAVethInTheirNamespaces) {
    socket_.run(make_veth(pair_of_ends, pod_space_));
    const Json host_end = shown(host_, "veth0123456789a");
    const Json pod_end = shown(pod_, "eth0");
    ASSERT_FALSE(host_end.is_null());
    ASSERT_FALSE(pod_end.is_null());
    EXPECT_EQ(host_end.at("address"), "0a:58:0a:0a:64:01");
    EXPECT_EQ(pod_end.at("address"), "0a:58:0a:0a:64:02");
    EXPECT_EQ(host_end.at("link_index"), pod_end.at("ifindex"));
    EXPECT_EQ(pod_end.at("link_index"), host_end.at("ifindex"));
    for (const Json& end : {host_end, pod_end}) {
        EXPECT_EQ(end.at("linkinfo").at("info_kind"), "veth");
        EXPECT_EQ(end.at("mtu"), 1480);
        EXPECT_EQ(end.at("num_tx_queues"), 1);
        EXPECT_EQ(end.at("num_rx_queues"), 1);
        EXPECT_THAT(flags_of(end), Not(Contains("UP")));
    }
    EXPECT_TRUE(shown(host_, "eth0").is_null());
    EXPECT_TRUE(shown(pod_, "veth0123456789a").is_null());
}

TEST_F(LinkTest, MakesNeitherEndWhereTheHostHasTheName) {
    host_.ip("link add veth0123456789a type veth peer name other\n");
    const Json before = host_.state();
    const Json pod_before = pod_.state();
    EXPECT_EQ(number_of(make_veth(pair_of_ends, pod_space_)), EEXIST);
    EXPECT_EQ(host_.state(), before);
    EXPECT_EQ(pod_.state(), pod_before);
}

TEST_F(LinkTest, MakesNeitherEndWhereThePodHasTheName) {
    pod_.ip("link add eth0 type veth peer name other\n");
    const Json before = host_.state();
    const Json pod_before = pod_.state();
    EXPECT_EQ(number_of(make_veth(pair_of_ends, pod_space_)), EEXIST);
    EXPECT_EQ(host_.state(), before);
    EXPECT_EQ(pod_.state(), pod_before);
}

TEST_F(LinkTest, MakesNeitherEndOfAnMtuThatCannotBe) {
    const Json before = host_.state();
    for (const std::uint32_t mtu : {67U, 65536U}) {
        VethPair pair = pair_of_ends;
        pair.mtu = mtu;
        EXPECT_EQ(number_of(make_veth(pair, pod_space_)), EINVAL) << mtu;
    }
    EXPECT_EQ(host_.state(), before);
}

TEST_F(LinkTest, DeletesBothEndsByTheNameOfOne) {
    const Json before = host_.state();
    const Json pod_before = pod_.state();
    socket_.run(make_veth(pair_of_ends, pod_space_));
    socket_.run(delete_link("veth0123456789a"));
    EXPECT_EQ(host_.state(), before);
    EXPECT_EQ(pod_.state(), pod_before);
    EXPECT_EQ(number_of(delete_link("veth0123456789a")), ENODEV);
}

TEST_F(LinkTest, SetsOnlyWhatItIsAskedToSet) {
    host_.ip("link add v0 type veth peer name v1\n");
    socket_.run(configure("v0", {.alias = "a pod's"}));
    EXPECT_EQ(shown(host_, "v0").at("ifalias"), "a pod's");
    EXPECT_THAT(flags_of(shown(host_, "v0")), Not(Contains("UP")));
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/v0/forwarding"), "0");
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/v0/rp_filter"), "0");

    socket_.run(configure("v0", {.forwarding = true}));
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/v0/forwarding"), "1");
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/v0/rp_filter"), "0");

    socket_.run(configure("v0", {.rp_filter = 1}));
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/v0/forwarding"), "1");
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/v0/rp_filter"), "1");

    socket_.run(configure("v0", {.forwarding = false, .rp_filter = 2, .up = true}));
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/v0/forwarding"), "0");
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/v0/rp_filter"), "2");
    EXPECT_THAT(flags_of(shown(host_, "v0")), Contains("UP"));
    EXPECT_EQ(shown(host_, "v0").at("ifalias"), "a pod's");

    socket_.run(configure("v0", {.alias = ""}));
    EXPECT_FALSE(shown(host_, "v0").contains("ifalias"));
    EXPECT_THAT(flags_of(shown(host_, "v0")), Contains("UP"));

    for (const char* other : {"v1", "lo", "all", "default"}) {
        const std::string folder = std::string("net/ipv4/conf/") + other;
        EXPECT_EQ(host_.sysctl(folder + "/forwarding"), "0") << other;
        EXPECT_EQ(host_.sysctl(folder + "/rp_filter"), "0") << other;
    }
    EXPECT_THAT(flags_of(shown(host_, "v1")), Not(Contains("UP")));
}

TEST_F(LinkTest, KeepsAddressesWhoseElderGoes) {
    host_.ip("link add v0 type veth peer name v1\n"
             "address add 10.0.0.1 peer 10.0.0.9 dev v0\n"
             "address add 10.0.0.2 peer 10.0.0.9 dev v0\n");
    socket_.run(configure("v0", {.keep_secondaries = true}));
    host_.ip("address delete 10.0.0.1 peer 10.0.0.9 dev v0\n");
    const Json addresses = host_.ip("address show dev v0\n").at(0).at(0).at("addr_info");
    ASSERT_EQ(addresses.size(), 1U);
    EXPECT_EQ(addresses[0].at("local"), "10.0.0.2");
}

TEST_F(LinkTest, TakesAnAliasOf255BytesAndNoLonger) {
    host_.ip("link add v0 type veth peer name v1\n");
    const std::string longest(255, 'x');
    socket_.run(configure("v0", {.alias = longest}));
    EXPECT_EQ(shown(host_, "v0").at("ifalias"), longest);
    EXPECT_NE(number_of(configure("v0", {.alias = longest + 'x'})), 0);
    EXPECT_EQ(shown(host_, "v0").at("ifalias"), longest);
}

TEST_F(LinkTest, ConfiguresNothingThatIsMissing) {
    EXPECT_EQ(number_of(configure("nothing", {.up = true})), ENODEV);
    EXPECT_EQ(number_of(without_ipv6_address("nothing")), ENODEV);
}

TEST_F(LinkTest, KeepsADeviceFromGeneratingIpv6Addresses) {
    host_.ip("link add v0 type veth peer name v1\n");
    socket_.run(without_ipv6_address("v0"));
    host_.ip("link set v0 up\nlink set v1 up\n");
    EXPECT_EQ(shown(host_, "v0").at("inet6_addr_gen_mode"), "none");
    EXPECT_EQ(shown(host_, "v1").at("inet6_addr_gen_mode"), "eui64");
    EXPECT_THAT(host_.ip("address show dev v0\n").at(0).at(0).at("addr_info"), IsEmpty());
}

TEST_F(LinkTest, ReadsALinkAsItIs) {
    host_.ip("link add v0 address 0a:58:0a:0a:64:01 mtu 1400 type veth"
             " peer name v1 netns " +
             pod_.path() +
             "\n"
             "link set v0 alias made-by-hand\n"
             "link set v0 up\n");
    host_.set_sysctl("net/ipv4/conf/v0/forwarding", "1");
    host_.set_sysctl("net/ipv4/conf/v0/rp_filter", "2");
    const Json expected = shown(host_, "v0");
    const Link link = to_link(socket_.find(get_link("v0")));
    EXPECT_EQ(link.index, expected.at("ifindex"));
    EXPECT_EQ(link.name, "v0");
    EXPECT_EQ(link.kind, "veth");
    EXPECT_EQ(link.alias, "made-by-hand");
    EXPECT_EQ(link.mac.to_string(), "0a:58:0a:0a:64:01");
    EXPECT_EQ(link.mtu, 1400U);
    EXPECT_TRUE(link.up);
    EXPECT_EQ(link.peer_index, shown(pod_, "v1").at("ifindex"));
    EXPECT_TRUE(link.forwarding);
    EXPECT_EQ(link.rp_filter, 2);
    EXPECT_FALSE(link.local);
    EXPECT_FALSE(link.remote);

    const Link again = to_link(socket_.find(get_link(link.index)));
    EXPECT_EQ(again.name, "v0");

    const Link other = to_link(pod_space_.socket().find(get_link("v1")));
    EXPECT_EQ(other.alias, "");
    EXPECT_FALSE(other.up);
    EXPECT_FALSE(other.forwarding);
    EXPECT_EQ(other.rp_filter, 0);
    EXPECT_EQ(other.peer_index, link.index);
}

TEST_F(LinkTest, DumpsTheLinksOfOneKind) {
    host_.ip("link add v0 type veth peer name v1\n"
             "link add br0 type bridge\n");
    std::vector<std::string> names;
    for (const Link& link : dump_links(socket_, "veth"))
        names.push_back(link.name);
    EXPECT_THAT(names, testing::UnorderedElementsAre("v0", "v1"));
}

TEST_F(LinkTest, ForwardingIsThatOfTheThreadsNamespace) {
    host_.ip("link add v0 type veth peer name v1\n");
    pod_.ip("link add v0 type veth peer name v1\n");
    EXPECT_EQ(forwarding("v0"), false);
    set_forwarding("v0", true);
    EXPECT_EQ(forwarding("v0"), true);
    EXPECT_EQ(forwarding("v1"), false);
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/v0/forwarding"), "1");
    EXPECT_EQ(pod_.sysctl("net/ipv4/conf/v0/forwarding"), "0");
    set_forwarding("v0", false);
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/v0/forwarding"), "0");
}

TEST_F(LinkTest, ForwardingTakesADottedNameAsItIs) {
    host_.ip("link add v0.100 type veth peer name v1\n");
    set_forwarding("v0.100", true);
    EXPECT_EQ(forwarding("v0.100"), true);
}

TEST_F(LinkTest, ForwardingOfNoDeviceIsNone) {
    EXPECT_EQ(forwarding("nothing"), std::nullopt);
    EXPECT_THROW(set_forwarding("nothing", true), Error);
}

} // namespace
} // namespace netlink
