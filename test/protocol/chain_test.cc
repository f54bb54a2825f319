#include "test/protocol/traffic.h"
#include "test/system/cluster.h"

#include <gmock/gmock.h>

// Chains of `ipip` and Debian's reference plugins (containernetworking-plugins 1.1.1), in both
// versions of the specification that they have CHECK in.

namespace scene {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* wire_address = "172.16.5.1";
constexpr const char* host_address = "172.16.5.126";
constexpr const char* endpoint = "10.10.100.10";

// The plugin looks for IPv6 rules also for a pod without IPv6.
constexpr const char* portmap_fault = "could not check ipv6 dnat";

class Chains : public ::testing::TestWithParam<const char*> {
  protected:
    Chains() {
        cluster.wire().ip(std::string("address add ") + wire_address + "/24 dev br0\n");
        host_before = state_of(host.net());
        pod_before = pod.net.state();
    }

    /// `ipip`, which masquerades, with the others around it.
    Chain chain(const Json& behind, const Json& before = Json::array()) const {
        Json plugins = before;
        plugins.push_back(Json::parse(Cluster::config(cluster.nodes(), {{"ipMasq", true}})));
        for (const Json& plugin : behind)
            plugins.push_back(plugin);
        return {host, {{"name", "podnet"}, {"cniVersion", GetParam()}, {"plugins", plugins}}};
    }
    /// ADD, and CHECK of what it made. `fault` is one that the last plugin's own CHECK has.
    void add(Chain& chain, const Json& runtime_config = Json::object(),
             const char* fault = nullptr) const {
        const Output added = chain.add(pod, runtime_config);
        ASSERT_EQ(added.status, 0) << added.out << added.err;
        const Output checked = chain.check(pod);
        if (fault == nullptr || checked.status == 0)
            EXPECT_EQ(checked.status, 0) << checked.out << checked.err;
        else
            EXPECT_THAT(refusal_of(checked).message, HasSubstr(fault)) << checked.out;
    }
    void remove(const Chain& chain) const {
        const Output deleted = chain.del(pod);
        EXPECT_EQ(deleted.status, 0) << deleted.out << deleted.err;
        EXPECT_EQ(Json::diff(host_before, state_of(host.net())), Json::array());
        EXPECT_TRUE(is_unchanged(pod.net, pod_before));
    }
    /// Without the chains and jumps that reference plugins leave in iptables: once made, they keep
    /// them for the next pod. What is in them for this pod must go.
    Json state_of(const Namespace& space) const {
        Json state = space.state();
        Json& rules = state.at("nftables");
        rules.erase(std::remove_if(rules.begin(), rules.end(),
                                   [](const Json& entry) {
                                       return entry.begin()->value("family", "") != "inet";
                                   }),
                    rules.end());
        EXPECT_THAT(space.run("nft list ruleset").out, Not(HasSubstr("10.10.100.1")));
        return state;
    }

    Cluster cluster{1};
    Host& host = cluster.host(1);
    Pod pod{"pod"};
    Json host_before;
    Json pod_before;
};

TEST_P(Chains, PortmapLeadsToThePodFromEverywhere) {
    Chain chained = chain({{{"type", "portmap"}, {"capabilities", {{"portMappings", true}}}}});
    const Json mapping{{"hostPort", 8080}, {"containerPort", 80}, {"protocol", "tcp"}};
    add(chained, {{"portMappings", {mapping}}}, portmap_fault);
    EXPECT_EQ(caller(cluster.wire(), {host_address, 8080}, pod.net, 80), wire_address);
    EXPECT_EQ(caller(host.net(), {host_address, 8080}, pod.net, 80), host_address);
    // Who calls from a loopback address is masqueraded, and so is the pod that calls itself.
    EXPECT_EQ(caller(host.net(), {"127.0.0.1", 8080}, pod.net, 80), host_address);
    EXPECT_EQ(caller(pod.net, {host_address, 8080}, pod.net, 80), host_address);
    remove(chained);
    EXPECT_EQ(caller(cluster.wire(), {host_address, 8080}, pod.net, 80), "nobody");
}

TEST_P(Chains, BandwidthLimitsBothDirections) {
    // 10 kB/s, so that a flood cannot pass however slow the machine is.
    const Json limits{{"ingressRate", 80'000},
                      {"ingressBurst", 80'000},
                      {"egressRate", 80'000},
                      {"egressBurst", 80'000}};
    Chain chained = chain({{{"type", "bandwidth"}, {"capabilities", {{"bandwidth", true}}}}});
    add(chained, {{"bandwidth", limits}});
    const std::string address = address_of(chained.result());
    const Json& interfaces = chained.result().at("interfaces");
    ASSERT_EQ(interfaces.size(), 3U) << interfaces.dump(2);

    const auto dropped = [&](const Json& interface) {
        const Json shown =
            host.net().json("tc -j -s qdisc show dev " + interface.at("name").get<std::string>());
        return find(shown, "kind", "tbf").value("drops", -1);
    };
    EXPECT_EQ(dropped(interfaces[0]), 0);
    EXPECT_EQ(dropped(interfaces[2]), 0);
    constexpr int datagrams = 200;
    flood(host.net(), {address, 7000}, pod.net, datagrams);
    EXPECT_GT(dropped(interfaces[0]), 0); // to the pod, at the host's end
    EXPECT_EQ(dropped(interfaces[2]), 0);
    flood(pod.net, {endpoint, 7000}, host.net(), datagrams);
    EXPECT_GT(dropped(interfaces[2]), 0); // from the pod, at a device that the plugin made
    remove(chained);
}

TEST_P(Chains, TuningChangesTheInterfaceAndCheckLetsItBe) {
    const std::string key = "net/ipv4/conf/eth0/arp_filter";
    Chain chained = chain({{{"type", "tuning"},
                            {"sysctl", {{key, "1"}}},
                            {"mac", "02:00:00:00:00:07"},
                            {"mtu", 1400}}});
    add(chained);
    EXPECT_EQ(pod.net.sysctl(key), "1");
    const Json link = pod.net.ip("link show eth0\n").at(0).at(0);
    EXPECT_EQ(link.at("address"), "02:00:00:00:00:07");
    EXPECT_EQ(link.at("mtu"), 1400);
    EXPECT_EQ(find(chained.result().at("interfaces"), "name", "eth0").at("mac"),
              "02:00:00:00:00:07");
    EXPECT_TRUE(reaches(host.net(), address_of(chained.result())));
    EXPECT_TRUE(reaches(pod.net, wire_address));
    remove(chained);
}

TEST_P(Chains, FirewallOpensAHostThatForwardsNothingElse) {
    host.net().run("iptables -A FORWARD -j REJECT");
    Chain closed = chain({});
    add(closed);
    EXPECT_EQ(caller(pod.net, {wire_address, 7000}, cluster.wire(), 7000), "nobody");
    closed.del(pod);
    Chain chained = chain({{{"type", "firewall"}, {"backend", "iptables"}}});
    add(chained);
    EXPECT_EQ(caller(pod.net, {wire_address, 7000}, cluster.wire(), 7000), host_address);
    remove(chained);
}

TEST_P(Chains, SbrMovesTheRoutesIntoATableOfTheirOwn) {
    Chain chained = chain({{{"type", "sbr"}}});
    add(chained);
    const std::string address = address_of(chained.result());
    EXPECT_EQ(pod.net.ip("route show\n"), std::vector<Json>{Json::array()});
    const Json rule = find(pod.net.ip("rule show\n").at(0), "src", address);
    ASSERT_FALSE(rule.is_null());
    const std::string table = rule.at("table");
    const Json routes = pod.net.ip("route show table " + table + "\n").at(0);
    EXPECT_EQ(find(routes, "dst", "default").value("gateway", ""), endpoint);
    EXPECT_FALSE(find(routes, "dst", endpoint).is_null());
    EXPECT_TRUE(reaches(host.net(), address));
    cluster.wire().ip(std::string("route add 10.10.100.0/24 via ") + host_address + "\n");
    EXPECT_EQ(caller(cluster.wire(), {address, 80}, pod.net, 80), wire_address);
    remove(chained);
}

TEST_P(Chains, AllOfThemTogether) {
    Chain chained = chain(
        {{{"type", "portmap"}, {"capabilities", {{"portMappings", true}}}},
         {{"type", "bandwidth"}, {"ingressRate", 8'000'000'000}, {"ingressBurst", 80'000'000}},
         {{"type", "tuning"}, {"sysctl", {{"net.core.somaxconn", "500"}}}},
         {{"type", "firewall"}, {"backend", "iptables"}}});
    const Json mapping{{"hostPort", 8080}, {"containerPort", 80}, {"protocol", "tcp"}};
    add(chained, {{"portMappings", {mapping}}}, portmap_fault);
    EXPECT_EQ(caller(cluster.wire(), {host_address, 8080}, pod.net, 80), wire_address);
    EXPECT_EQ(pod.net.sysctl("net/core/somaxconn"), "500");
    remove(chained);
}

TEST_P(Chains, ResultsOfEarlierPluginsStayBeforeItsOwn) {
    Chain chained = chain({}, {{{"type", "loopback"}}});
    add(chained);
    const Json& result = chained.result();
    const Json& interfaces = result.at("interfaces");
    ASSERT_EQ(interfaces.size(), 3U) << result.dump(2);
    EXPECT_EQ(interfaces[0].at("name"), "lo");
    EXPECT_THAT(interfaces[1].at("name").get<std::string>(), ::testing::StartsWith("veth"));
    EXPECT_EQ(interfaces[2].at("name"), "eth0");
    EXPECT_EQ(find(result.at("ips"), "address", "127.0.0.1/8").at("interface"), 0);
    EXPECT_EQ(find(result.at("ips"), "address", "10.10.100.1/32").at("interface"), 2);
    EXPECT_TRUE(reaches(host.net(), "10.10.100.1"));
    const Output deleted = chained.del(pod);
    EXPECT_EQ(deleted.status, 0) << deleted.out << deleted.err;
    pod.net.ip("link set lo up\n"); // which the loopback plugin takes down with its DEL
    EXPECT_TRUE(is_unchanged(pod.net, pod_before));
    EXPECT_TRUE(is_unchanged(host.net(), host_before));
}

TEST_P(Chains, OfWhichTheLastFailsAreTakenAwayAgain) {
    Chain chained = chain({{{"type", "tuning"}, {"sysctl", {{"kernel.hostname", "x"}}}}});
    EXPECT_NE(chained.add(pod).status, 0);
    remove(chained);
}

INSTANTIATE_TEST_SUITE_P(Of, Chains, ::testing::Values("0.4.0", "1.0.0"), [](const auto& version) {
    std::string name = version.param;
    std::ranges::replace(name, '.', '_');
    return name;
});

} // namespace
} // namespace scene
