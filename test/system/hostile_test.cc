#include "test/kernel/raw.h"
#include "test/system/agent.h"
#include "test/system/cluster.h"
#include "test/system/modules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace scene {
namespace {

/// Packets inside of packets, from those who may not send them: to a pod of host 2, by its tunnels.
class Hostile : public ::testing::Test {
  protected:
    std::string config_with(const Json& more) const {
        Json nodes = cluster.nodes();
        nodes.erase(2);
        return Cluster::config(nodes, more);
    }

    /// Hosts 1 and 2 are nodes and have a pod each; host 3 is a stranger.
    void begin(const Json& more) { begin_with(config_with(more)); }

    void begin_with(const std::string& config) {
        for (int i : {1, 2})
            cluster.host(i).net().ip("route replace default via 172.16.5.1\n");
        near_result = cluster.host(1).add(near, config);
        near_address = address_of(near_result);
        far_address = address_of(cluster.host(2).add(far, config));
    }

    /// A packet to host 2 with a timestamp request inside, from `inner` to the far pod.
    void send(const Namespace& from, const std::string& outer, const std::string& inner) const {
        send_ipv4(from,
                  ipv4_packet(outer, "172.16.5.127", IPPROTO_IPIP,
                              ipv4_packet(inner, far_address, IPPROTO_ICMP, icmp_timestamp())));
    }

    /// Whether the far pod gets what is sent so.
    bool gets_in(const Namespace& from, const std::string& outer, const std::string& inner) {
        const long before = requests();
        send(from, outer, inner);
        // What was sent before an answered ping has arrived as well, or never will.
        EXPECT_TRUE(reaches(near.net, far_address));
        return requests() > before;
    }

    /// The same without a tunnel: the stranger takes host 2 for his router.
    bool gets_in_plainly(const std::string& claimed) {
        const Namespace& stranger = cluster.host(3).net();
        stranger.ip("route replace " + far_address + " via 172.16.5.127\n");
        const long before = requests();
        send_ipv4(stranger, ipv4_packet(claimed, far_address, IPPROTO_ICMP, icmp_timestamp()));
        EXPECT_TRUE(reaches(near.net, far_address));
        return requests() > before;
    }

    /// Whether host 2 itself, at its endpoint, gets what the stranger sends by protocol 4.
    bool gets_to_the_node(const std::string& claimed) {
        const Namespace& node = cluster.host(2).net();
        const long before = requests_of(node);
        send_ipv4(cluster.host(3).net(), ipv4_packet("172.16.5.128", "172.16.5.127", IPPROTO_IPIP,
                                                     ipv4_packet(claimed, "10.10.200.10",
                                                                 IPPROTO_ICMP, icmp_timestamp())));
        EXPECT_TRUE(reaches(near.net, far_address));
        return requests_of(node) > before;
    }

    static long requests_of(const Namespace& space) {
        const std::string text = space.run("nstat -asz IcmpInTimestamps").out;
        return std::stol(text.substr(text.find("IcmpInTimestamps") + 16));
    }
    long requests() const { return requests_of(far.net); }

    Cluster cluster{3};
    Pod near{"near"};
    Pod far{"far"};
    Json near_result;
    std::string near_address;
    std::string far_address;
};

// The masquerade makes the node's packet of the pod's, which a peer takes for one of the mesh. Then
// connection tracking cannot tell the node's own from it, and drops those.
TEST_F(Hostile, WithoutTheCheckAPodsTunnelIsMasqueradedIntoThatOfItsNode) {
    begin({{"ipMasq", true}, {"sourceCheck", false}});
    send(near.net, near_address, "10.10.100.99");
    EXPECT_TRUE(comes_true([&] { return requests() == 1; }));
    EXPECT_FALSE(reaches(near.net, far_address));
}

TEST_F(Hostile, WithoutTheCheckAPodSendsAsIfItWereANode) {
    begin({{"sourceCheck", false}});
    EXPECT_TRUE(gets_in(far.net, "172.16.5.126", "10.10.100.99")) << "a peer of its own";
    EXPECT_FALSE(gets_in(near.net, "172.16.5.126", "10.10.100.99")) << "its own: a martian";
}

TEST_F(Hostile, APodSendsNothingByATunnelOfItsOwn) {
    begin({{"ipMasq", true}});
    EXPECT_FALSE(gets_in(near.net, near_address, "10.10.100.99"));
    EXPECT_FALSE(gets_in(near.net, "172.16.5.126", "10.10.100.99")) << "as if it were the node";
    EXPECT_FALSE(gets_in(far.net, "172.16.5.126", "10.10.100.99")) << "as if it were a peer";
}

TEST_F(Hostile, AKernelThatCannotLookForTheWayBackStillDropsThePodsTunnels) {
    ASSERT_TRUE(comes_true([] { return unload("nft_fib_inet"); })) << "the last namespaces go";
    ASSERT_EQ(Namespace().run("modprobe -a nf_tables ipip").status, 0);
    const ModulesRefused refused;
    begin(Json::object());
    const std::string rules = cluster.host(1).net().run("nft list table inet ipip-cni").out;
    EXPECT_THAT(rules, ::testing::HasSubstr("iifgroup 94 goto from_pods"));
    EXPECT_THAT(rules, ::testing::HasSubstr("meta l4proto ipencap drop"));
    EXPECT_THAT(rules, ::testing::Not(::testing::HasSubstr("fib saddr")));
    EXPECT_EQ(cluster.host(1).net().sysctl("net/ipv4/conf/ipip-ac10057f/rp_filter"), "1");
    EXPECT_TRUE(reaches(near.net, far_address));
    // There, the device's own check has to be strict.
    const std::string link = link_of(near_result);
    const auto check = [&] {
        return cluster.host(1).call({.verb = "CHECK",
                                     .config = config_with({{"prevResult", near_result}}),
                                     .container = near.id,
                                     .netns = near.net.path()});
    };
    EXPECT_EQ(check().status, 0) << check().out;
    cluster.host(1).net().set_sysctl("net/ipv4/conf/" + link + "/rp_filter", "2");
    EXPECT_THAT(refusal_of(check()).message, ::testing::HasSubstr("source check"));
}

TEST_F(Hostile, WithoutTheCheckAPeerSendsFromAnyAddress) {
    begin({{"sourceCheck", false}});
    EXPECT_TRUE(gets_in(cluster.host(1).net(), "172.16.5.126", "192.0.2.1"));
}

// 2 for all devices overrules the 1 of a tunnel.
TEST_F(Hostile, APeerSendsFromItsPodsAddressesAloneHoweverLooseTheHostIs) {
    for (const char* loose : {"0", "2"}) {
        cluster.host(2).net().set_sysctl("net/ipv4/conf/all/rp_filter", loose);
        if (near_address.empty())
            begin(Json::object());
        for (const char* own : {"10.10.100.99", "172.16.5.126"})
            EXPECT_TRUE(gets_in(cluster.host(1).net(), "172.16.5.126", own)) << own;
        for (const char* claimed : {"192.0.2.1", "10.10.200.99", "172.16.5.127"})
            EXPECT_FALSE(gets_in(cluster.host(1).net(), "172.16.5.126", claimed)) << claimed;
    }
}

// A peer's packets are those of its tunnel; of one for all, nobody can tell which peer's they are.
TEST_F(Hostile, APeerDoesNotSpeakAsAThirdNodesPod) {
    begin_with(cluster.config());
    EXPECT_FALSE(gets_in(cluster.host(1).net(), "172.16.5.126", "10.10.3.99"));
}

TEST_F(Hostile, APeerSpeaksAsAThirdNodesPodByTheDeviceToAll) {
    begin_with(Cluster::config(cluster.nodes(), {{"topology", "shared"}}));
    EXPECT_TRUE(gets_in(cluster.host(1).net(), "172.16.5.126", "10.10.3.99"));
}

TEST_F(Hostile, WithoutTheCheckAPeerSpeaksAsAThirdNodesPod) {
    begin_with(Cluster::config(cluster.nodes(), {{"sourceCheck", false}}));
    EXPECT_TRUE(gets_in(cluster.host(1).net(), "172.16.5.126", "10.10.3.99"));
}

TEST_F(Hostile, AStrangerFindsNoTunnelThatLeadsToHim) {
    begin(Json::object());
    EXPECT_FALSE(gets_in(cluster.host(3).net(), "172.16.5.128", "10.10.100.99"));
}

TEST_F(Hostile, AStrangerFindsNoTunnelThatLeadsToHimEvenWithoutTheCheck) {
    begin({{"sourceCheck", false}});
    EXPECT_FALSE(gets_in(cluster.host(3).net(), "172.16.5.128", "10.10.100.99"));
}

// Who sends with a node's own address, over another interface than that which leads to the node.
TEST_F(Hostile, AStrangerWithANodesAddressIsNoNodeWherePathFilteringCanTell) {
    begin(Json::object());
    const Namespace& stranger = cluster.host(3).net();
    const Namespace& node = cluster.host(2).net();
    stranger.ip("link add eth1 type veth peer name eth1 netns " + node.path() +
                "\n"
                "address add 192.0.2.3/24 dev eth1\n"
                "link set eth1 up\n");
    node.ip("address add 192.0.2.2/24 dev eth1\n"
            "link set eth1 up\n");
    stranger.ip("route add 172.16.5.127/32 via 192.0.2.2\n");
    node.set_sysctl("net/ipv4/conf/all/rp_filter", "0");
    node.set_sysctl("net/ipv4/conf/eth1/rp_filter", "0");
    EXPECT_TRUE(gets_in(stranger, "172.16.5.126", "10.10.100.99")) << "nobody can tell";
    node.set_sysctl("net/ipv4/conf/eth1/rp_filter", "1");
    EXPECT_FALSE(gets_in(stranger, "172.16.5.126", "10.10.100.99"));
}

/// All that lets in what comes without a tunnel of ours: forwarding everywhere, no path filtering,
/// and a device that takes protocol 4 from anyone.
void open_up(const Host& host) {
    for (const char* device : {"all", "eth0", "tunl0"})
        host.net().set_sysctl(std::string("net/ipv4/conf/") + device + "/rp_filter", "0");
    host.net().set_sysctl("net/ipv4/ip_forward", "1");
    host.net().ip("link set tunl0 up\n");
}

TEST_F(Hostile, WithoutTheCheckAStrangerSpeaksAsAPodOfAPeer) {
    begin({{"sourceCheck", false}});
    open_up(cluster.host(2));
    EXPECT_TRUE(gets_in(cluster.host(3).net(), "172.16.5.128", "10.10.100.99")) << "by tunl0";
    EXPECT_TRUE(gets_to_the_node("10.10.100.99"));
    EXPECT_TRUE(gets_in_plainly("10.10.100.99"));
    EXPECT_TRUE(gets_in_plainly("10.10.200.99"));
}

TEST_F(Hostile, AStrangerDoesNotSpeakAsAPodOfAPeer) {
    begin(Json::object());
    open_up(cluster.host(2));
    EXPECT_FALSE(gets_in(cluster.host(3).net(), "172.16.5.128", "10.10.100.99")) << "by tunl0";
    EXPECT_FALSE(gets_to_the_node("10.10.100.99"));
    EXPECT_FALSE(gets_in_plainly("10.10.100.99"));
    EXPECT_TRUE(gets_in_plainly("172.16.5.128")) << "for himself he may";
}

TEST_F(Hostile, AStrangerDoesNotSpeakAsAPodOfTheSameNode) {
    begin(Json::object());
    open_up(cluster.host(2));
    const Pod other("other");
    const std::string claimed = address_of(cluster.host(2).add(other, config_with(Json::object())));
    EXPECT_FALSE(gets_in(cluster.host(3).net(), "172.16.5.128", claimed)) << "by tunl0";
    EXPECT_FALSE(gets_in_plainly(claimed));
    EXPECT_FALSE(gets_in_plainly("10.10.200.99")) << "that is nobody's";
    EXPECT_TRUE(reaches(other.net, far_address));
}

TEST_F(Hostile, WithoutTheCheckTheDeviceToAllTakesWhatAStrangerSends) {
    begin({{"topology", "shared"}, {"sourceCheck", false}});
    EXPECT_TRUE(gets_in(cluster.host(3).net(), "172.16.5.128", "10.10.100.99"));
}

TEST_F(Hostile, TheDeviceToAllTakesNothingFromAStranger) {
    begin({{"topology", "shared"}});
    EXPECT_FALSE(gets_in(cluster.host(3).net(), "172.16.5.128", "10.10.100.99"));
    EXPECT_TRUE(gets_in(cluster.host(1).net(), "172.16.5.126", "10.10.100.99")) << "a peer";
}

} // namespace
} // namespace scene
