#include "test/protocol/agent_scene.h"

#include <fstream>

// What others change on a host, and the agent puts right.

namespace scene {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

struct Damage {
    const char* name;
    const char* command; ///< of ip(8)
    const char* program; ///< another one
    const char* kind;    ///< in the metrics
};

/// Rules that are made anew are the same with other numbers.
Json without_handles(Json state) {
    for (Json& entry : state.at("nftables"))
        for (Json& object : entry)
            object.erase("handle");
    return state;
}

class AgentRepairs : public AgentOnOneHost, public ::testing::WithParamInterface<Damage> {};

TEST_P(AgentRepairs, What) {
    const Damage& damage = GetParam();
    const auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    const Pod pod("pod");
    ASSERT_EQ(address_of(host.add(pod, agent->config())), "10.10.100.1");
    const auto state = [&] { return without_handles(host.net().state()); };
    const Json before = state();

    if (damage.command != nullptr)
        host.net().ip(std::string(damage.command) + '\n');
    if (damage.program != nullptr) {
        ASSERT_EQ(host.net().run(damage.program).status, 0);
    }
    EXPECT_TRUE(agent->says("repaired: ")) << agent->log();
    EXPECT_TRUE(comes_true([&] { return state() == before; }))
        << Json::diff(before, state()).dump(2) << agent->log();
    EXPECT_TRUE(reaches(host.net(), "10.10.100.1"));
    EXPECT_TRUE(comes_true([&] { return agent->page("/readyz").status == 200; }));
    EXPECT_GE(agent->metric("ipip_repairs_total{kind=\"" + std::string(damage.kind) + "\"}"), 1);
    host.del(pod, agent->config());
}

INSTANTIATE_TEST_SUITE_P(
    Of, AgentRepairs,
    ::testing::Values(
        Damage{"TheEndpoint", "address delete 10.10.100.10/32 dev lo", nullptr, "address"},
        Damage{"TheRouteOfNoPods", "route delete unreachable 10.10.100.0/24 metric 4096", nullptr,
               "route"},
        Damage{"ARouteOfAPod", "route delete 10.10.100.1/32", nullptr, "route"},
        Damage{"TheTable", nullptr, "nft delete table inet ipip-cni", "nftables"},
        Damage{"AllRules", nullptr, "nft flush ruleset", "nftables"},
        Damage{"Forwarding", nullptr, "sysctl -qw net.ipv4.conf.eth0.forwarding=0", "forwarding"}),
    [](const auto& tested) { return tested.param.name; });

/// A pod that runs, and what somebody does to its wiring on the host.
class PodsWiring : public AgentOnOneHost {
  protected:
    void SetUp() override {
        host.net().set_sysctl("net/ipv4/ip_forward", "1"); // as on most hosts
        agent = start();
        ASSERT_TRUE(agent->becomes_ready()) << agent->log();
        const Json result = host.add(pod, agent->config());
        ASSERT_EQ(address_of(result), "10.10.100.1");
        link = link_of(result);
    }
    std::string route() const { return host.net().run("ip route show 10.10.100.1").out; }

    std::unique_ptr<Agent> agent;
    Pod pod{"pod"};
    std::string link;
};

TEST_F(PodsWiring, ForwardsAgainAfterSomebodyTurnedForwardingOffForAll) {
    host.net().set_sysctl("net/ipv4/ip_forward", "0"); // as when sysctl.d is read anew
    EXPECT_TRUE(comes_true([&] {
        return host.net().sysctl("net/ipv4/conf/" + link + "/forwarding") == "1" &&
               host.net().sysctl("net/ipv4/conf/eth0/forwarding") == "1";
    })) << agent->log();
    EXPECT_TRUE(agent->says("repaired: turned on forwarding on " + link)) << agent->log();
    EXPECT_GE(agent->metric("ipip_repairs_total{kind=\"forwarding\"}"), 2);
}

TEST_F(PodsWiring, ComesUpAgainWithItsRouteAfterSomebodyTookTheLinkDown) {
    const std::string before = route();
    host.net().ip("link set " + link + " down\n");
    EXPECT_TRUE(comes_true([&] { return route() == before; })) << agent->log();
    EXPECT_TRUE(agent->says("repaired: brought up the link " + link)) << agent->log();
    EXPECT_TRUE(reaches(host.net(), "10.10.100.1"));
    EXPECT_EQ(agent->metric("ipip_repairs_total{kind=\"link\"}"), 1);
}

TEST_F(PodsWiring, IsPossibleAgainAfterSomebodySpoiledTheNodesFile) {
    const auto path = host.state_dir() / "nodes.json";
    const auto content = [&] {
        std::ifstream file(path);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    const std::string before = content();
    for (const int times : {1, 2}) {
        if (times == 1)
            std::filesystem::remove(path);
        else
            std::ofstream(path) << "{}";
        host.net().ip("route delete 10.10.100.1/32\n"); // or it looks half a minute later
        const auto restored = [&] {
            return agent->count("repaired: wrote /run/ipip-cni/nodes.json anew") == times;
        };
        EXPECT_TRUE(comes_true(restored)) << agent->log();
        EXPECT_EQ(content(), before);
        EXPECT_TRUE(comes_true([&] { return !route().empty(); })) << agent->log();
    }
    const Pod other("other");
    EXPECT_EQ(address_of(host.add(other, agent->config())), "10.10.100.2");
}

TEST_F(PodsWiring, HasItsNameAgainAfterSomebodyRenamedTheLink) {
    const std::string before = route();
    host.net().ip("link set " + link +
                  " down\n"
                  "link set " +
                  link +
                  " name other0\n"
                  "link set other0 up\n");
    EXPECT_TRUE(comes_true([&] { return route() == before; })) << agent->log();
    EXPECT_TRUE(agent->says("repaired: gave its name " + link + " back to the link other0"))
        << agent->log();
    EXPECT_TRUE(reaches(host.net(), "10.10.100.1"));
    host.del(pod, agent->config());
    EXPECT_EQ(host.net().run("ip -o link show type veth group 94").out, "");
}

TEST_F(PodsWiring, IsInItsGroupAgainByWhichTheSourceCheckKnowsIt) {
    host.net().ip("link set " + link + " group 0\n"); // which wakes nobody; it looks now and then
    EXPECT_TRUE(agent->says("repaired: put back into its group the link " + link)) << agent->log();
    EXPECT_EQ(host.net().json("ip -j link show dev " + link).at(0).at("group"), "94");
}

TEST_F(PodsWiring, YieldsToAForeignRouteNamesItAndMendsTheOthers) {
    const Pod other("other");
    ASSERT_EQ(address_of(host.add(other, agent->config())), "10.10.100.2");
    agent->hold_while([&] { // or it is back before the other comes
        host.net().ip("route delete 10.10.100.1/32\n"
                      "route add 10.10.100.1/32 dev eth0\n"
                      "route delete 10.10.100.2/32\n");
    });
    EXPECT_TRUE(agent->says("a route to the pod 10.10.100.1 that this network did not make stands"))
        << agent->log();
    EXPECT_TRUE(agent->says("made the route to the pod 10.10.100.2")) << agent->log();
    EXPECT_THAT(route(), HasSubstr("dev eth0")) << "it is not ours to take away";
    EXPECT_EQ(agent->page("/readyz").status, 200);
    EXPECT_EQ(agent->metric("ipip_reconcile_failures_total"), 0) << agent->log();
    host.net().ip("route delete 10.10.100.1/32\n");
    EXPECT_TRUE(comes_true([&] { return route().find(link) != std::string::npos; }))
        << agent->log();
    EXPECT_EQ(agent->count("that this network did not make"), 1) << "once";
}

TEST_F(PodsWiring, IsFoughtOverOnlySoLong) {
    for (int i = 0; i < 6; ++i) {
        ASSERT_TRUE(comes_true([&] { return route() != ""; })) << agent->log();
        host.net().ip("link set " + link + " down\n");
        ASSERT_TRUE(comes_true([&] { return agent->count("brought up the link") > i; }))
            << agent->log();
    }
    EXPECT_TRUE(agent->says("our repairs are undone again and again (brought up the link " + link))
        << agent->log();
}

TEST_F(AgentOnOneHost, NamesWhoUndoesItsRepairs) {
    const auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    for (int i = 0; i < 6; ++i) {
        const auto stands = [&] {
            return host.net().run("ip route show type unreachable").out != "";
        };
        ASSERT_TRUE(comes_true(stands));
        host.net().ip("route delete unreachable 10.10.100.0/24 metric 4096\n");
    }
    EXPECT_TRUE(agent->says("our repairs are undone again and again")) << agent->log();
    EXPECT_THAT(agent->log(), ContainsRegex("by .*process [0-9]+"));
    EXPECT_EQ(agent->stop(SIGTERM), 0) << "what is left of this look has nothing to repair";
}

TEST_F(AgentOnOneHost, FreesAddressesOfPodsThatAreGone) {
    const auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    const Pod gone("gone");
    const Pod stays("stays");
    std::vector<Json> results;
    for (const Pod* pod : {&gone, &stays}) {
        // Long ago, by the clock that counts since the boot.
        const Output output =
            host.call({.verb = "ADD",
                       .config = agent->config(),
                       .container = pod->id,
                       .netns = pod->net.path(),
                       .wrapper = {"unshare", "--time", "--fork", "--boottime", "-120"}});
        ASSERT_EQ(output.status, 0) << output.out << output.err;
        results.push_back(Json::parse(output.out));
    }
    const Pod young("young");
    const Json last = host.add(young, agent->config());
    for (const Json& result : {results[0], last}) // as the kernel does when the namespace goes
        host.net().ip("link delete " + link_of(result) + '\n');
    host.net().ip("route delete unreachable 10.10.100.0/24 metric 4096\n"); // has it look
    EXPECT_TRUE(agent->says("freed " + address_of(results[0]) +
                            ", leased to interface eth0 of container gone, whose link is gone"))
        << agent->log();
    EXPECT_EQ(agent->count("freed "), 1) << "the young one's link may be yet to come";
    EXPECT_EQ(agent->metric("ipip_addresses_freed_total"), 1);
    EXPECT_EQ(agent->metric("ipip_addresses_used"), 2);
    EXPECT_EQ(agent->metric("ipip_addresses_free"), 253 - 2);
}

} // namespace
} // namespace scene
