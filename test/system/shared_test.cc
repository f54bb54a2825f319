#include "test/system/agent.h"
#include "test/system/cluster.h"

#include <gmock/gmock.h>
#include <thread>

// One device to all peers, instead of one to each.

namespace scene {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Shared : public ::testing::Test {
  protected:
    std::string config(const char* topology = "shared", Json more = Json::object()) const {
        more["topology"] = topology;
        return Cluster::config(cluster.nodes(), more);
    }
    const Host& host() const { return cluster.host(1); }
    std::vector<std::string> tunnels() const {
        std::vector<std::string> names;
        for (const Json& link : host().net().json("ip -j link show type ipip"))
            if (link.at("ifname") != "tunl0")
                names.push_back(link.at("ifname"));
        std::sort(names.begin(), names.end());
        return names;
    }

    Cluster cluster{3};
    Pod near{"near"};
    Pod far{"far"};
};

TEST_F(Shared, HasOneDeviceAndARouteForEachPeer) {
    host().add(near, config());
    EXPECT_THAT(tunnels(), ElementsAre("ipip-00000000"));
    const auto shown =
        host().net().ip("link show dev ipip-00000000\nroute show dev ipip-00000000\n");
    const Json link = shown.at(0).at(0);
    EXPECT_EQ(link.at("linkinfo").at("info_data").at("local"), "172.16.5.126");
    EXPECT_EQ(link.at("linkinfo").at("info_data").at("remote"), "any");
    EXPECT_EQ(link.at("linkinfo").at("info_data").at("pmtudisc"), true);
    EXPECT_EQ(link.at("mtu"), 1480);
    EXPECT_EQ(link.at("ifalias"), "podnet/*");
    EXPECT_THAT(host().net().run("ip -o address show dev ipip-00000000").out,
                HasSubstr("inet 10.10.100.10/32 "));
    const Json route = find(shown.at(1), "dst", "10.10.200.0/24");
    EXPECT_EQ(route.at("gateway"), "172.16.5.127");
    EXPECT_EQ(route.at("flags"), Json::array({"onlink"}));
    EXPECT_EQ(route.at("prefsrc"), "10.10.100.10");
    EXPECT_EQ(route.at("protocol"), "94");
    EXPECT_EQ(find(shown.at(1), "dst", "10.10.3.0/24").at("gateway"), "172.16.5.128");
    EXPECT_EQ(shown.at(1).size(), 2U);
}

TEST_F(Shared, TakesTheLeastMtuOfAllWays) {
    host().net().ip("route add 172.16.5.128/32 dev eth0 mtu 1400\n");
    host().add(near, config());
    EXPECT_EQ(host().net().ip("link show dev ipip-00000000\n").at(0).at(0).at("mtu"), 1380);
    EXPECT_EQ(near.net.ip("link show dev eth0\n").at(0).at(0).at("mtu"), 1380);
}

TEST_F(Shared, TakesThePlaceOfPairsAndMakesItForThem) {
    const Pod second("second"), third("third");
    host().add(near, config("pairs"));
    const std::string there = address_of(cluster.host(2).add(far, config("pairs")));
    host().add(second, config("shared"));
    EXPECT_THAT(tunnels(), ElementsAre("ipip-00000000"));
    EXPECT_TRUE(reaches(near.net, there)) << "the other host still has a device for each";
    EXPECT_TRUE(reaches(cluster.host(2).net(), "10.10.100.10"));
    host().del(second, config("shared"));
    host().add(third, config("pairs"));
    EXPECT_THAT(tunnels(), ElementsAre("ipip-ac10057f", "ipip-ac100580"));
    EXPECT_TRUE(reaches(near.net, there));
    for (const std::string& tunnel : tunnels())
        EXPECT_EQ(host().net().run("cat /proc/sys/net/ipv4/conf/" + tunnel + "/rp_filter").out,
                  "2\n");
}

TEST_F(Shared, LosesNoPacketAsItTakesThePlaceOfPairsAndMakesItForThem) {
    const std::string here = address_of(host().add(near, config("pairs")));
    cluster.host(2).add(far, config("pairs"));
    const std::string line = "ping -n -q -i 0.005 -c 800 -w 120 " + here;
    std::string by_pod, by_host;
    std::thread pod([&] { by_pod = far.net.run(line).out; });
    std::thread peer([&] { by_host = cluster.host(2).net().run(line).out; });
    for (const char* topology : {"shared", "pairs", "shared", "pairs"}) {
        const Pod more(std::string("more"));
        host().add(more, config(topology));
        host().del(more, config(topology));
    }
    pod.join();
    peer.join();
    EXPECT_THAT(by_pod, HasSubstr("800 received, 0% packet loss"));
    EXPECT_THAT(by_host, HasSubstr("800 received, 0% packet loss"));
}

TEST_F(Shared, FollowsWhatBecomesOfItsPeers) {
    const Pod second("second");
    host().add(near, config());
    Json nodes = cluster.nodes();
    nodes[1]["podCIDRs"] = {"10.10.50.0/24"};
    nodes[1].erase("tunnelAddresses");
    nodes.erase(2);
    host().add(second, Cluster::config(nodes, {{"topology", "shared"}}));
    const Json routes = host().net().ip("route show dev ipip-00000000\n").at(0);
    ASSERT_EQ(routes.size(), 1U) << routes;
    EXPECT_EQ(routes[0].at("dst"), "10.10.50.0/24");
    EXPECT_EQ(routes[0].at("gateway"), "172.16.5.127");
}

TEST_F(Shared, GoesWithoutAPeerWhoseAddressIsNoHosts) {
    Json nodes = cluster.nodes();
    nodes[2]["addresses"] = {"172.16.5.255"};
    const std::filesystem::path file = host().folder() / "nodes";
    write_nodes_file(file, nodes);
    const Agent agent(host(), {"--nodes-file", file.string(), "--topology", "shared"});
    EXPECT_TRUE(agent.says("node host3 is left out: cannot add ")) << agent.log();
    EXPECT_TRUE(agent.says("if 172.16.5.255 is this host's own address or one of many hosts"))
        << agent.log();
    EXPECT_TRUE(agent.becomes_ready()) << agent.log();
}

TEST_F(Shared, LeavesNothingWithTheLastPod) {
    const Json before = host().net().state();
    host().add(near, config());
    host().del(near, config());
    EXPECT_TRUE(is_unchanged(host().net(), before));
}

TEST_F(Shared, IsCheckedAndMendedByTheNextAdd) {
    const Json result = host().add(near, config());
    Json checked = Json::parse(config());
    checked["prevResult"] = result;
    const auto check = [&] {
        return host().call({.verb = "CHECK",
                            .config = checked.dump(),
                            .container = near.id,
                            .netns = near.net.path()});
    };
    EXPECT_EQ(check().status, 0) << check().out;
    const std::string there = address_of(cluster.host(2).add(far, config()));
    int number = 0;
    for (const char* damage : {"link delete ipip-00000000", "link set ipip-00000000 down",
                               "route delete 10.10.200.0/24", "address flush dev lo label lo:ipip",
                               "route replace 10.10.200.0/24 via 172.16.5.128 dev ipip-00000000 "
                               "onlink proto 94 src 10.10.100.10"}) {
        host().net().ip(std::string(damage) + '\n');
        EXPECT_NE(check().status, 0) << damage;
        const Pod next("next" + std::to_string(++number));
        host().add(next, config());
        EXPECT_EQ(check().status, 0) << damage << check().out;
        EXPECT_TRUE(reaches(next.net, there)) << damage;
    }
}

TEST_F(Shared, DropsWhatComesFromAnAddressOfNoPeer) {
    host().add(near, config());
    const std::string there = address_of(cluster.host(2).add(far, config()));
    const auto requests = [&] {
        const std::string text = far.net.run("nstat -asz IcmpInEchos").out;
        return std::stol(text.substr(text.find("IcmpInEchos") + 11));
    };
    host().net().ip("address add 172.16.5.99/32 dev lo\n"); // the other has a way to it, elsewhere
    const long before = requests();
    host().net().run("ping -n -q -c 2 -i 0.2 -W 1 -I 172.16.5.99 " + there);
    EXPECT_EQ(requests(), before);
    host().net().run("ping -n -q -c 2 -i 0.2 -W 1 " + there);
    EXPECT_GT(requests(), before);
}

TEST_F(Shared, RefusesTheDeviceOfAnotherInItsPlace) {
    host().net().ip("link add mine type ipip local 172.16.5.126 remote any\n");
    const Output output = host().call(
        {.verb = "ADD", .config = config(), .container = near.id, .netns = near.net.path()});
    EXPECT_EQ(refusal_of(output).message,
              "the device mine is a tunnel from 172.16.5.126 to all already, and the kernel allows "
              "one; remove it (ip link delete mine)");
}

TEST_F(Shared, RefusesTheDeviceOfAnotherThatTakesWhatAPeerSends) {
    host().net().ip("link add mine type ipip remote 172.16.5.127\n");
    const Output output = host().call(
        {.verb = "ADD", .config = config(), .container = near.id, .netns = near.net.path()});
    EXPECT_EQ(refusal_of(output).message,
              "the device mine is a tunnel from 0.0.0.0 to 172.16.5.127 already, and takes what "
              "that peer sends; remove it (ip link delete mine)");
}

TEST_F(Shared, IsKeptByTheAgentWhichCountsPeersByTheirRoutes) {
    const std::filesystem::path file = host().folder() / "nodes";
    write_nodes_file(file, cluster.nodes());
    const Agent agent(host(), {"--nodes-file", file.string(), "--topology", "shared"});
    ASSERT_TRUE(agent.becomes_ready()) << agent.log();
    EXPECT_THAT(tunnels(), ElementsAre("ipip-00000000"));
    EXPECT_EQ(agent.metric("ipip_peers_standing"), 2);
    EXPECT_TRUE(agent.metric("ipip_peer_sent_packets_total{peer=\"*\"}"));
    for (const char* damage : {"link delete ipip-00000000", "route delete 10.10.200.0/24"}) {
        const int repairs = agent.count("repaired");
        host().net().ip(std::string(damage) + '\n');
        EXPECT_TRUE(comes_true([&] { return agent.count("repaired") > repairs; })) << damage;
        EXPECT_TRUE(comes_true([&] {
            return !host().net().run("ip route show 10.10.200.0/24").out.empty();
        })) << damage;
    }
}

TEST_F(Shared, GoesWithoutThePodNetworkThatIsTakenAndHasTheOthers) {
    host().net().ip("route add unreachable 10.10.200.0/24\n");
    const std::filesystem::path file = host().folder() / "nodes";
    write_nodes_file(file, cluster.nodes());
    const Agent agent(host(), {"--nodes-file", file.string(), "--topology", "shared"});
    EXPECT_TRUE(agent.says("node host2 is left out: a route to 10.10.200.0/24")) << agent.log();
    EXPECT_TRUE(comes_true([&] {
        return !host().net().run("ip route show 10.10.3.0/24").out.empty();
    })) << agent.log();
}

} // namespace
} // namespace scene
