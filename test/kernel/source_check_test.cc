#include "netlink/nftables.h"
#include "netlink/pod_link.h"
#include "test/kernel/raw.h"
#include "test/kernel/scene.h"
#include "test/kernel/udp.h"

#include <array>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <tuple>

namespace netlink {
namespace {

using ip::Address;
using scene::Json;
using scene::Namespace;
using scene::RawReceiver;
using scene::Udp;

constexpr std::array<std::uint8_t, 2> tunnels{IPPROTO_IPIP, IPPROTO_IPV6};

/// A node with two pods of both families, and all that undoes rp_filter: the loose check on all
/// devices overrules the strict one on a pod's, and an address there makes it loose indeed.
class SourceCheckTest : public testing::Test {
  protected:
    SourceCheckTest() {
        for (const Namespace* space : {&node_, &bad_, &good_})
            space->set_sysctl("net/ipv6/conf/default/accept_dad", "0");
        node_.ip("address add 10.10.100.10/32 dev lo\n"
                 "address add fd00:10::10/128 dev lo nodad\n");
        node_.set_sysctl("net/ipv4/conf/all/rp_filter", "2");
        node_.set_sysctl("net/ipv4/ip_forward", "1");
        node_.set_sysctl("net/ipv6/conf/all/forwarding", "1");
        wire(bad_, 1);
        wire(good_, 2);
        // Addresses of a third pod, so that there is some way back to them.
        node_.ip("address add 169.254.7.1/32 dev veth01234567891\n"
                 "route add 10.10.100.13/32 dev veth01234567892\n"
                 "route add fd00:10::13/128 dev veth01234567892\n");
    }

    void wire(const Namespace& space, int number) {
        const std::string digit = std::to_string(number);
        Pod pod(Netns::open(space.path()));
        attach(socket_, pod,
               {.host_name = "veth0123456789" + digit,
                .alias = "podnet: default/web" + digit + " eth0",
                .pod_name = "eth0",
                .host_mac = ip::Mac::parse("0a:58:0a:0a:64:0" + digit),
                .pod_mac = ip::Mac::parse("0a:58:0a:0a:65:0" + digit),
                .mtu = 1480,
                .addresses = {Address::parse("10.10.100.1" + digit),
                              Address::parse("fd00:10::1" + digit)},
                .gateways = {Address::parse("10.10.100.10"), Address::parse("fd00:10::10")},
                .routes = {{.destination = ip::Cidr::parse("0.0.0.0/0")},
                           {.destination = ip::Cidr::parse("::/0")}},
                .check_source = true});
    }

    static Rules rules(std::vector<Arrival> peers = {}) {
        return {.masquerade = {},
                .source_check = SourceCheck{.pod_group = pod_group,
                                            .tunnels = "ipip-",
                                            .senders = {},
                                            .peers = std::move(peers),
                                            .own_pods = {ip::Cidr::parse("10.10.100.0/24")}}};
    }
    void check_sources() const { set_rules(rules()); }

    /// The first of two datagrams that the good pod gets: the bad one sends one from the third's
    /// address, then one from its own.
    std::string first_source(const std::string& own, const std::string& claimed,
                             const std::string& to) {
        const Udp receiver(good_, to);
        bad_.ip("address replace " + claimed + " dev eth0 nodad\n");
        Udp(bad_, claimed).send(to, receiver.port(), "spoofed");
        Udp(bad_, own).send(to, receiver.port(), "honest");
        return receiver.receive().source;
    }

    /// Whether the good pod hears a payload of this protocol that the bad one sends.
    bool passes(int family, const std::string& own, const std::string& to, std::uint8_t protocol) {
        const RawReceiver raw(good_, family, protocol);
        const Udp after(good_, to);
        send_payload(bad_, to, protocol, std::string(40, '\0'));
        Udp(bad_, own).send(to, after.port(), "it would be there by now");
        EXPECT_EQ(after.receive().source, own);
        return raw.heard();
    }

    Namespace node_;
    Namespace bad_;
    Namespace good_;
    scene::Visit inside_{node_};
    Socket socket_;
};

TEST_F(SourceCheckTest, WithoutItAPodSpeaksFromAnothersAddress) {
    EXPECT_EQ(first_source("10.10.100.11", "10.10.100.13", "10.10.100.12"), "10.10.100.13");
    EXPECT_EQ(first_source("fd00:10::11", "fd00:10::13", "fd00:10::12"), "fd00:10::13");
}

TEST_F(SourceCheckTest, APodSpeaksFromItsOwnAddressAlone) {
    check_sources();
    EXPECT_EQ(first_source("10.10.100.11", "10.10.100.13", "10.10.100.12"), "10.10.100.11");
    EXPECT_EQ(first_source("fd00:10::11", "fd00:10::13", "fd00:10::12"), "fd00:10::11");
}

// It says so to all (arp_notify, ndisc_notify), on a node that believes what it did not ask for;
// the routes to pods do not.
TEST_F(SourceCheckTest, APodThatClaimsAnothersAddressIsNotSentItsPackets) {
    const std::string link = "veth01234567891";
    node_.set_sysctl("net/ipv4/conf/" + link + "/arp_accept", "1");
    const std::string believe_v6 = "net/ipv6/conf/" + link + "/accept_untracked_na"; // from 5.19 on
    const bool can_believe_v6 = !node_.sysctl(believe_v6).empty();
    if (can_believe_v6)
        node_.set_sysctl(believe_v6, "1");
    bad_.set_sysctl("net/ipv4/conf/eth0/arp_notify", "1");
    bad_.set_sysctl("net/ipv6/conf/eth0/ndisc_notify", "1");
    bad_.ip("link set eth0 down\n"
            "address add 10.10.100.12/32 dev eth0\n"
            "address add fd00:10::12/128 dev eth0 nodad\n"
            "link set eth0 up\n");
    const auto is_believed = [&](const std::string& address) {
        return scene::comes_true(
            [&] { return !node_.run("ip neigh show " + address + " dev " + link).out.empty(); });
    };
    ASSERT_TRUE(is_believed("10.10.100.12"));
    ASSERT_TRUE(!can_believe_v6 || is_believed("fd00:10::12"));
    for (const auto& [family, own, pod] : {std::tuple{AF_INET, "10.10.100.10", "10.10.100.12"},
                                           {AF_INET6, "fd00:10::10", "fd00:10::12"}}) {
        const RawReceiver claimant(bad_, family, IPPROTO_UDP);
        const Udp good(good_, pod);
        Udp(node_, own).send(pod, good.port(), "for the pod");
        EXPECT_EQ(good.receive().text, "for the pod");
        EXPECT_FALSE(claimant.heard()) << pod;
    }
}

TEST_F(SourceCheckTest, CountsWhatItDrops) {
    check_sources();
    const auto counted = [&] {
        const auto rules = node_.run("nft list chain inet ipip-cni from_pods").out;
        return rules.find("fib saddr . iif oif 0 counter packets 1 bytes 35 drop") != rules.npos;
    };
    EXPECT_FALSE(counted());
    first_source("10.10.100.11", "10.10.100.13", "10.10.100.12");
    EXPECT_TRUE(counted()) << node_.run("nft list ruleset").out;
}

TEST_F(SourceCheckTest, WithoutItAPodSendsPacketsInsideOfPackets) {
    for (const std::uint8_t protocol : tunnels) {
        EXPECT_TRUE(passes(AF_INET, "10.10.100.11", "10.10.100.12", protocol)) << +protocol;
        EXPECT_TRUE(passes(AF_INET6, "fd00:10::11", "fd00:10::12", protocol)) << +protocol;
    }
}

TEST_F(SourceCheckTest, APodSendsNoPacketsInsideOfPackets) {
    check_sources();
    for (const std::uint8_t protocol : tunnels) {
        EXPECT_FALSE(passes(AF_INET, "10.10.100.11", "10.10.100.12", protocol)) << +protocol;
        EXPECT_FALSE(passes(AF_INET6, "fd00:10::11", "fd00:10::12", protocol)) << +protocol;
    }
    constexpr std::uint8_t gre = 47;
    EXPECT_TRUE(passes(AF_INET, "10.10.100.11", "10.10.100.12", gre)) << "not our concern";
}

TEST_F(SourceCheckTest, LeavesDevicesOfOthersAlone) {
    check_sources();
    node_.ip("link set veth01234567891 group 0\n"
             "route add 10.10.201.13/32 dev veth01234567892\n");
    EXPECT_EQ(first_source("10.10.100.11", "10.10.201.13", "10.10.100.12"), "10.10.201.13");
    EXPECT_EQ(first_source("fd00:10::11", "fd00:10::13", "fd00:10::12"), "fd00:10::13");
    EXPECT_TRUE(passes(AF_INET, "10.10.100.11", "10.10.100.12", IPPROTO_IPIP));
}

// What comes from the bad pod comes from a peer then.
TEST_F(SourceCheckTest, APeerSpeaksFromItsOwnAddressByItsOwnTunnel) {
    node_.ip("link set veth01234567891 down\n"
             "link set veth01234567891 name ipip-ac10057f group 0 up\n"
             "route add 10.10.100.11/32 dev ipip-ac10057f\n"
             "route add 10.10.201.13/32 dev veth01234567892\n");
    const auto speaks_as = [&](const char* address, const char* tunnel) {
        set_rules(rules({{"ipip-ac100580", Address::parse("172.16.5.128")},
                         {tunnel, Address::parse(address)}}));
        return first_source("10.10.100.11", "10.10.201.13", "10.10.100.12");
    };
    EXPECT_EQ(speaks_as("10.10.201.13", "ipip-ac10057f"), "10.10.201.13");
    EXPECT_EQ(speaks_as("10.10.201.13", "ipip-ac10057e"), "10.10.100.11") << "another's address";
    EXPECT_EQ(speaks_as("10.10.201.14", "ipip-ac10057f"), "10.10.100.11") << "nobody's address";
    const std::string listed = node_.run("nft list set inet ipip-cni nodes").out;
    EXPECT_NE(listed.find("\"ipip-ac10057f\" . 10.10.201.14"), std::string::npos) << listed;
}

// What comes from the bad pod comes from the underlay then.
TEST_F(SourceCheckTest, APeersPodsSpeakByItsTunnelAlone) {
    node_.ip("link set veth01234567891 group 0\n"
             "link add ipip-ac10057f type veth peer name far\n"
             "link set far up\n"
             "link set ipip-ac10057f up\n"
             "route add 10.10.200.0/24 dev ipip-ac10057f\n");
    EXPECT_EQ(first_source("10.10.100.11", "10.10.200.11", "10.10.100.12"), "10.10.200.11");
    check_sources();
    EXPECT_EQ(first_source("10.10.100.11", "10.10.200.11", "10.10.100.12"), "10.10.100.11");
}

// It comes from the underlay here, too.
TEST_F(SourceCheckTest, NobodyElseSpeaksAsAPodOfTheNode) {
    node_.ip("link set veth01234567891 group 0\n");
    EXPECT_EQ(first_source("10.10.100.11", "10.10.100.13", "10.10.100.12"), "10.10.100.13");
    check_sources();
    EXPECT_EQ(first_source("10.10.100.11", "10.10.100.13", "10.10.100.12"), "10.10.100.11");
}

TEST_F(SourceCheckTest, ItsRulesStandUntilSomeoneTakesOne) {
    Rules rules = SourceCheckTest::rules({{"ipip-ac10057f", Address::parse("172.16.5.127")}});
    rules.source_check->senders = SourceCheck::Senders{
        .own = Address::parse("172.16.5.126"), .peers = {ip::Cidr::parse("172.16.5.127/32")}};
    EXPECT_FALSE(has_rules(rules));
    EXPECT_TRUE(set_rules(rules));
    const Json before = node_.state();
    EXPECT_TRUE(has_rules(rules));
    EXPECT_FALSE(set_rules(rules));
    EXPECT_EQ(node_.state(), before);

    Rules others = rules;
    others.source_check->senders->peers.push_back(ip::Cidr::parse("172.16.5.128/32"));
    EXPECT_FALSE(has_rules(others));
    others = rules;
    others.source_check->peers[0].device = "ipip-ac100580";
    EXPECT_FALSE(has_rules(others));

    const Json listed = node_.json("nft -j -a list chain inet ipip-cni prerouting");
    const std::string handle = listed.at("nftables").back().at("rule").at("handle").dump();
    ASSERT_EQ(node_.run("nft delete rule inet ipip-cni prerouting handle " + handle).status, 0);
    EXPECT_FALSE(has_rules(rules));
    EXPECT_TRUE(set_rules(rules));
    EXPECT_TRUE(has_rules(rules));
}

} // namespace
} // namespace netlink
