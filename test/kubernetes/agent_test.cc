#include "test/kubernetes/agent_scene.h"

#include <csignal>
#include <fstream>

// ipipd follows a real API server, as the manifests' service account.

namespace scene {
namespace {

using ::testing::HasSubstr;

TEST_F(AgentsInCluster, MakeAMeshOfNodesAsTheyComeChangeAndGo) {
    NodeSpec second = spec(2);
    second.pod_cidrs.clear(); // as it is before a controller has given it some
    create(spec(1));
    create(second);
    start(1);
    start(2);
    ASSERT_TRUE(agent(1).says("node host2: has no IPv4 pod CIDR yet")) << agent(1).log();
    ASSERT_TRUE(agent(1).becomes_ready()) << agent(1).log();
    EXPECT_THAT(agent(2).page("/readyz").body, HasSubstr("node host2 has no IPv4 pod CIDR yet"));

    change("host2", {{"spec", {{"podCIDR", "10.10.200.0/24"}, {"podCIDRs", {"10.10.200.0/24"}}}}});
    ASSERT_TRUE(agent(2).becomes_ready()) << agent(2).log();
    ASSERT_TRUE(tunnels_come_to({"host2 172.16.5.127"})) << agent(1).log();
    const Pod near("near");
    const Pod far("far");
    cluster.host(1).add(near, agent(1).config());
    const std::string there = address_of(cluster.host(2).add(far, agent(2).config()));
    EXPECT_TRUE(comes_true([&] { return reaches(near.net, there); }));
    EXPECT_TRUE(comes_true([&] { return unavailable("host1") == "False"; }));
    EXPECT_TRUE(comes_true([&] { return unavailable("host2") == "False"; }));

    create(spec(3));
    EXPECT_TRUE(tunnels_come_to({"host2 172.16.5.127", "host3 172.16.5.128"}));
    change("host3",
           {{"status",
             {{"addresses", Json::array({{{"type", "InternalIP"}, {"address", "172.16.5.77"}}})}}}},
           "/status");
    EXPECT_TRUE(tunnels_come_to({"host2 172.16.5.127", "host3 172.16.5.77"}));
    stop(1, SIGTERM);
    remove("host3");
    start(1);
    EXPECT_TRUE(tunnels_come_to({"host2 172.16.5.127"})) << "it went while the agent was down";
    EXPECT_TRUE(reaches(near.net, there));
}

TEST_F(AgentsInCluster, GoOnWhileTheServerIsAway) {
    create(spec(1));
    create(spec(2));
    start(1);
    ASSERT_TRUE(tunnels_come_to({"host2 172.16.5.127"})) << agent(1).log();
    ASSERT_TRUE(agent(1).becomes_ready()) << agent(1).log();
    plane().kill();
    ASSERT_TRUE(agent(1).says("Kubernetes: ")) << agent(1).log();
    cluster.host(1).net().ip("link delete ipip-ac10057f\n");
    EXPECT_TRUE(tunnels_come_to({"host2 172.16.5.127"})) << agent(1).log();
    const Pod pod("pod");
    cluster.host(1).add(pod, agent(1).config());
    stop(1, SIGKILL);
    start(1); // with a token that the server gave out before
    cluster.host(1).net().ip("link delete ipip-ac10057f\n");
    EXPECT_TRUE(tunnels_come_to({"host2 172.16.5.127"})) << agent(1).log();
    plane().start();
    create(spec(3));
    EXPECT_TRUE(tunnels_come_to({"host2 172.16.5.127", "host3 172.16.5.128"})) << agent(1).log();
}

TEST_F(AgentsInCluster, ListAgainWhereTheServerHasForgotten) {
    create(spec(1));
    create(spec(2));
    start(1);
    ASSERT_TRUE(agent(1).becomes_ready()) << agent(1).log();
    const auto lists = agent(1).metric("ipip_kube_lists_total");
    remove("host2");
    create(spec(3));
    plane().forget_history();
    EXPECT_TRUE(tunnels_come_to({"host3 172.16.5.128"})) << agent(1).log();
    create(spec(2));
    EXPECT_TRUE(tunnels_come_to({"host2 172.16.5.127", "host3 172.16.5.128"})) << agent(1).log();
    EXPECT_GE(agent(1).metric("ipip_kube_lists_total"), lists);
}

TEST_F(AgentsInCluster, TakeANewTokenAsItIsRenewed) {
    create(spec(1));
    const auto token = cluster.host(1).folder() / "token";
    std::string text = plane().kubeconfig(account());
    const auto at = text.find("token: ");
    ASSERT_NE(at, std::string::npos) << text;
    text.replace(at, text.find('\n', at) - at, "tokenFile: " + token.string());
    std::ofstream(token) << "one.that.expired";
    start(1);
    stop(1, SIGTERM);
    const auto kubeconfig = write_kubeconfig(1, text);
    Agent renewed(cluster.host(1), {"--kubeconfig", kubeconfig.string(), "--node-name", "host1"});
    ASSERT_TRUE(renewed.says("answered 401")) << renewed.log();
    EXPECT_EQ(renewed.page("/readyz").status, 503);
    const std::string secret = account().token;
    std::ofstream(token) << secret;
    EXPECT_TRUE(renewed.becomes_ready()) << renewed.log();
    for (const std::string& unsaid : {std::string("one.that.expired"), secret})
        EXPECT_EQ(renewed.log().find(unsaid), std::string::npos) << renewed.log();
}

TEST_F(AgentsInCluster, SayWhatTheyMayNot) {
    create(spec(1));
    const auto kubeconfig =
        write_kubeconfig(1, plane().kubeconfig(plane().user("nobody", "nothing")));
    const Agent powerless(cluster.host(1),
                          {"--kubeconfig", kubeconfig.string(), "--node-name", "host1"});
    EXPECT_TRUE(powerless.says("allow list and watch of nodes (manifests: ClusterRole ipipd)"))
        << powerless.log();
    EXPECT_EQ(powerless.page("/readyz").status, 503);
    EXPECT_GE(powerless.metric("ipip_kube_failures_total"), 1);
}

TEST_F(AgentsInCluster, LetNoNodeTakeWhatAnotherHas) {
    create(spec(1));
    create(spec(2));
    start(1);
    ASSERT_TRUE(tunnels_come_to({"host2 172.16.5.127"})) << agent(1).log();
    create({.name = "a-thief", .addresses = {"172.16.5.127"}, .pod_cidrs = {"10.10.7.0/24"}});
    create({.name = "b-overlap", .addresses = {"172.16.5.8"}, .pod_cidrs = {"10.10.200.128/25"}});
    create({.name = "c-nonsense",
            .addresses = {"172.16.5.9"},
            .pod_cidrs = {"10.10.9.0/24"},
            .annotations = {{"ipip-cni/addresses", "nowhere"}}});
    EXPECT_TRUE(agent(1).says("node a-thief: its address 172.16.5.127 is that of the node host2"));
    EXPECT_TRUE(agent(1).says("node b-overlap: its pod network 10.10.200.128/25 overlaps"));
    EXPECT_TRUE(agent(1).says("node c-nonsense: cannot be used"));
    EXPECT_EQ(tunnels(), std::set<std::string>{"host2 172.16.5.127"});
    EXPECT_TRUE(comes_true([&] { return agent(1).metric("ipip_nodes_refused") == 3; }));
    EXPECT_TRUE(agent(1).becomes_ready());
    change("host2", {{"metadata", {{"annotations", {{"ipip-cni/addresses", "x"}}}}}});
    EXPECT_TRUE(agent(1).says("node host2: cannot be used"));
    EXPECT_EQ(tunnels(), std::set<std::string>{"host2 172.16.5.127"}) << "it was good";

    // The machine was replaced: its address is another Node's by now.
    remove("host2");
    EXPECT_TRUE(tunnels_come_to({"a-thief 172.16.5.127", "b-overlap 172.16.5.8"}))
        << agent(1).log();
}

TEST_F(AgentsInCluster, KeepTheConditionOfTheirNodeToTheTruth) {
    create(spec(1));
    start(1);
    ASSERT_TRUE(comes_true([&] { return unavailable("host1") == "False"; })) << agent(1).log();
    // Another controller writes there, too.
    const Json wrong{{"type", "NetworkUnavailable"}, {"status", "True"}, {"reason", "Another"}};
    admin().send({.method = "PATCH",
                  .path = nodes_path + "/host1/status",
                  .body = Json{{"status", {{"conditions", {wrong}}}}}.dump(),
                  .content_type = "application/strategic-merge-patch+json"});
    EXPECT_TRUE(comes_true([&] { return unavailable("host1") == "False"; })) << agent(1).log();

    // In the way of the tunnel to come.
    cluster.host(1).net().ip("link add ipip-ac10057f type bridge\n");
    create(spec(2));
    EXPECT_TRUE(comes_true([&] { return unavailable("host1") == "True"; })) << agent(1).log();
    EXPECT_EQ(agent(1).page("/readyz").status, 503);
    EXPECT_THAT(condition(node("host1"), "NetworkUnavailable").at("message").get<std::string>(),
                HasSubstr("ipip-ac10057f"));
    cluster.host(1).net().ip("link delete ipip-ac10057f\n");
    EXPECT_TRUE(comes_true([&] { return unavailable("host1") == "False"; })) << agent(1).log();
}

TEST_F(AgentsInCluster, NameTheAddressOfTheirInterface) {
    NodeSpec first = spec(1);
    first.addresses = {"192.0.2.1"}; // as a cloud names it, that has no such interface
    create(first);
    start(1, {"--interface", "eth0"});
    EXPECT_TRUE(agent(1).becomes_ready()) << agent(1).log();
    EXPECT_EQ(node("host1").at("metadata").at("annotations").at("ipip-cni/addresses"),
              "172.16.5.126");
    EXPECT_TRUE(agent(1).says("the underlay is 172.16.5.126 on eth0, by its annotation"));
}

TEST_F(AgentsInCluster, BearAThousandNodesAtOnceAndTheirHeartbeats) {
    create(spec(1));
    start(1);
    ASSERT_TRUE(agent(1).becomes_ready()) << agent(1).log();
    std::vector<NodeSpec> many;
    for (int i = 0; i < 1000; ++i) {
        const std::string place = std::to_string(i / 250) + '.' + std::to_string(i % 250 + 1);
        many.push_back({.name = "many" + std::to_string(i),
                        .addresses = {"172.17." + place},
                        .pod_cidrs = {"10." + std::to_string(20 + i / 250) + '.' +
                                      std::to_string(i % 250) + ".0/24"}});
    }
    create(many);
    EXPECT_TRUE(comes_true([&] { return agent(1).metric("ipip_peers_standing") == 1000; }))
        << agent(1).metric("ipip_peers_standing").value_or(-1);
    ASSERT_TRUE(agent(1).becomes_ready());

    const auto events = agent(1).metric("ipip_kube_events_total");
    const auto looks = agent(1).metric("ipip_reconcile_seconds_count");
    for (int i = 0; i < 10; ++i)
        change("many7", {{"status", {{"nodeInfo", {{"bootID", std::to_string(i)}}}}}}, "/status");
    EXPECT_TRUE(
        comes_true([&] { return agent(1).metric("ipip_kube_events_total") >= *events + 10; }));
    EXPECT_LE(agent(1).metric("ipip_reconcile_seconds_count"), *looks + 1)
        << "the half minute may have been up, once";
}

} // namespace
} // namespace scene
