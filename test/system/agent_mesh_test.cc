#include "test/system/agent.h"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <gmock/gmock.h>
#include <thread>

// ipipd on hosts with tunnels between them, by a nodes file.

namespace scene {
namespace {

using ::testing::HasSubstr;

class AgentMesh : public ::testing::Test {
  protected:
    void start(int number, const Words& wrapper = {}) {
        Host& host = cluster.host(number);
        agents.push_back(std::make_unique<Agent>(
            host, Words{"--nodes-file", file(number).string(), "--ip-masq", "true"}, wrapper));
    }
    std::filesystem::path file(int number) { return cluster.host(number).folder() / "nodes"; }

    /// Agents on the first two hosts, which know each other, and a pod on each.
    void SetUp() override {
        for (const int number : {1, 2}) {
            write_nodes_file(file(number), two);
            start(number);
        }
        for (const auto& agent : agents)
            ASSERT_TRUE(agent->becomes_ready()) << agent->log();
        here = address_of(cluster.host(1).add(near, agents[0]->config()));
        there = address_of(cluster.host(2).add(far, agents[1]->config()));
        ASSERT_TRUE(reaches(near.net, there));
    }

    Host& host() { return cluster.host(1); }
    Agent& agent() { return *agents[0]; }
    std::string tunnels() {
        std::string names;
        for (const Json& link : host().net().json("ip -j link show type ipip"))
            if (link.at("ifname") != "tunl0")
                names += link.value("ifalias", "?") + ' ';
        return names;
    }

    Cluster cluster{3};
    Json all = cluster.nodes();
    Json two = {all[0], all[1]};
    std::vector<std::unique_ptr<Agent>> agents;
    Pod near{"near"};
    Pod far{"far"};
    std::string here;
    std::string there;
};

TEST_F(AgentMesh, FollowsNodesThatComeAndGo) {
    EXPECT_EQ(tunnels(), "podnet/host2 ");
    EXPECT_EQ(agent().metric("ipip_peers_standing"), 1);
    write_nodes_file(file(1), all);
    EXPECT_TRUE(comes_true([&] { return tunnels() == "podnet/host2 podnet/host3 "; })) << tunnels();
    EXPECT_TRUE(comes_true([&] { return agent().metric("ipip_peers_standing") == 2; }));
    EXPECT_GT(agent().metric("ipip_peer_sent_packets_total{peer=\"host2\"}"), 0);
    write_nodes_file(file(1), two);
    EXPECT_TRUE(comes_true([&] { return tunnels() == "podnet/host2 "; })) << tunnels();
    EXPECT_TRUE(reaches(near.net, there));
    EXPECT_EQ(agent().count("repaired"), 0);
}

TEST_F(AgentMesh, LeavesOutANodeWhosePlaceIsTakenAndHasTheOthers) {
    const std::string taken = all[2].at("podCIDRs")[0];
    host().net().ip("route add unreachable " + taken + '\n');
    write_nodes_file(file(1), all);
    EXPECT_TRUE(agent().says("node host3 is left out: a route to " + taken)) << agent().log();
    EXPECT_TRUE(comes_true([&] { return agent().metric("ipip_nodes_left_out") == 1; }));
    EXPECT_EQ(tunnels(), "podnet/host2 ");
    EXPECT_TRUE(agent().becomes_ready()) << agent().log();
    EXPECT_EQ(host().net().run("ip route show " + taken).out.rfind("unreachable", 0), 0);

    EXPECT_EQ(agent().metric("ipip_peers_wanted"), 2) << "one more than stand";
    Json other = all;
    other[1]["podCIDRs"].push_back("10.10.201.0/24");
    write_nodes_file(file(1), other);
    EXPECT_TRUE(comes_true([&] {
        return !host().net().run("ip route show 10.10.201.0/24").out.empty();
    })) << "a change of another node is made\n"
        << agent().log();
    write_nodes_file(file(1), two);
    EXPECT_TRUE(comes_true([&] { return agent().metric("ipip_nodes_left_out") == 0; }));
    host().net().ip("route delete unreachable " + taken + '\n');
    write_nodes_file(file(1), all);
    EXPECT_TRUE(comes_true([&] { return tunnels() == "podnet/host2 podnet/host3 "; })) << tunnels();
}

TEST_F(AgentMesh, GoesWithoutThePodNetworkThatIsTakenAndKeepsTheNodesOther) {
    host().net().ip("route add unreachable 10.10.201.0/24\n");
    all[2]["podCIDRs"].push_back("10.10.201.0/24");
    write_nodes_file(file(1), all);
    EXPECT_TRUE(agent().says("node host3 goes without 10.10.201.0/24: a route to"))
        << agent().log();
    EXPECT_TRUE(comes_true([&] { return tunnels() == "podnet/host2 podnet/host3 "; })) << tunnels();
    EXPECT_TRUE(agent().becomes_ready());
    EXPECT_EQ(agent().count("deleted the tunnel"), 0) << agent().log();

    agents[0]->stop(SIGTERM);
    agents.erase(agents.begin());
    host().net().ip("route delete unreachable 10.10.201.0/24\n");
    start(1);
    std::swap(agents[0], agents[1]);
    EXPECT_TRUE(comes_true([&] {
        return !host().net().run("ip route show 10.10.201.0/24").out.empty();
    })) << "who comes anew tries it at once\n"
        << agent().log();
}

TEST_F(AgentMesh, LeavesOutANodeWhosePlaceIsTakenWhileItsTunnelStands) {
    write_nodes_file(file(1), all);
    EXPECT_TRUE(comes_true([&] { return tunnels() == "podnet/host2 podnet/host3 "; })) << tunnels();
    const std::string remote = all[2].at("addresses")[0];
    agent().hold_while([&] { // or it is back before the other comes
        host().net().ip("link delete ipip-ac100580\n"
                        "link add mine type ipip local 172.16.5.126 remote " +
                        remote + '\n');
    });
    EXPECT_TRUE(agent().says("node host3 is left out: the device mine is a tunnel"))
        << agent().log();
    host().net().ip("link delete ipip-ac10057f\n");
    EXPECT_TRUE(comes_true([&] { return reaches(near.net, there); })) << "others are repaired";
    EXPECT_TRUE(agent().becomes_ready()) << agent().log();
    EXPECT_EQ(agent().metric("ipip_nodes_left_out"), 1);
}

TEST_F(AgentMesh, LeavesOutANodeWhoseDevicesNameIsTakenByAnotherKind) {
    write_nodes_file(file(1), all);
    EXPECT_TRUE(comes_true([&] { return tunnels() == "podnet/host2 podnet/host3 "; })) << tunnels();
    agent().hold_while([&] {
        host().net().ip("link delete ipip-ac100580\nlink add ipip-ac100580 type bridge\n");
    });
    EXPECT_TRUE(agent().says("node host3 is left out: a device named ipip-ac100580 that this "
                             "network did not make"))
        << agent().log();
    EXPECT_TRUE(agent().becomes_ready()) << agent().log();
    EXPECT_TRUE(reaches(near.net, there));
}

TEST_F(AgentMesh, RepairsWhateverIsDoneToATunnel) {
    const Json before = host().net().state();
    // Of the peer 172.16.5.127.
    for (const char* damage :
         {"link delete ipip-ac10057f", "link set ipip-ac10057f down",
          "link set ipip-ac10057f mtu 1000", "tunnel change ipip-ac10057f mode ipip ttl 9",
          "tunnel change ipip-ac10057f mode ipip remote 172.16.5.99",
          "address flush dev ipip-ac10057f", "route delete 10.10.200.0/24",
          "address delete 10.10.100.10/32 dev lo"}) {
        const int repairs = agent().count("repaired");
        host().net().ip(std::string(damage) + '\n');
        EXPECT_TRUE(comes_true([&] { return agent().count("repaired") > repairs; }))
            << damage << agent().log();
        EXPECT_TRUE(comes_true([&] { return reaches(near.net, there); })) << damage;
        EXPECT_TRUE(comes_true([&] { return agent().page("/readyz").status == 200; })) << damage;
    }
    const Json after = host().net().state();
    const auto sorted = [](Json list) {
        std::sort(list.begin(), list.end());
        return list;
    };
    EXPECT_EQ(sorted(after.at("routes")), sorted(before.at("routes")));
    EXPECT_EQ(after.at("sysctls"), before.at("sysctls"));
}

// As in the DaemonSet, docs/permissions.md.
TEST_F(AgentMesh, NeedsOneCapability) {
    agents.clear();
    start(1, {"setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all,+net_admin",
              "--no-new-privs", "--"});
    ASSERT_TRUE(agent().becomes_ready()) << agent().log();
    std::ifstream status("/proc/" + std::to_string(agent().pid()) + "/status");
    const std::string lines(std::istreambuf_iterator<char>(status), {});
    EXPECT_THAT(lines, HasSubstr("CapEff:\t0000000000001000\n")) << "CAP_NET_ADMIN alone";

    write_nodes_file(file(1), all);
    EXPECT_TRUE(comes_true([&] { return tunnels() == "podnet/host2 podnet/host3 "; })) << tunnels();
    const std::string link = host().net().json("ip -j route get " + here).at(0).at("dev");
    host().net().ip("link set " + link + " down\nlink delete ipip-ac10057f\n");
    host().net().run("nft flush ruleset");
    host().net().set_sysctl("net/ipv4/ip_forward", "0");
    EXPECT_TRUE(comes_true([&] { return reaches(near.net, there); })) << agent().log();
    write_nodes_file(file(1), two);
    EXPECT_TRUE(comes_true([&] { return tunnels() == "podnet/host2 "; })) << tunnels();
    EXPECT_EQ(agent().metric("ipip_reconcile_failures_total"), 0) << agent().log();
}

TEST_F(AgentMesh, LosesNoPacketWhileItIsReplaced) {
    std::thread replacing([&] {
        for (const int signal : {SIGTERM, SIGKILL}) {
            agents[0]->stop(signal);
            agents.erase(agents.begin());
            start(1);
            std::swap(agents[0], agents[1]);
            EXPECT_TRUE(agents[0]->becomes_ready()) << agents[0]->log();
        }
    });
    const Output pings = near.net.run("ping -q -i 0.02 -c 500 -w 120 " + there);
    replacing.join();
    EXPECT_THAT(pings.out, HasSubstr("500 received, 0% packet loss"));
}

TEST_F(AgentMesh, IsNotPutBackByAnAddThatKnewTheOldNodes) {
    std::atomic<bool> stop = false;
    std::thread changing([&] {
        for (bool odd = true; !stop; odd = !odd) {
            write_nodes_file(file(1), odd ? all : two);
            const std::size_t wanted = odd ? 2 : 1;
            comes_true([&] { return stop || agent().metric("ipip_peers_standing") == wanted; });
        }
    });
    std::vector<std::unique_ptr<Pod>> pods;
    for (int i = 0; i < 40; ++i) {
        pods.push_back(std::make_unique<Pod>("pod" + std::to_string(i)));
        host().add(*pods.back(), agent().config());
    }
    stop = true;
    changing.join();
    EXPECT_EQ(agent().count("found that"), 0) << agent().log();
    for (const auto& pod : pods)
        host().del(*pod, agent().config());
}

} // namespace
} // namespace scene
