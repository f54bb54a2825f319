#include "test/protocol/agent_scene.h"

#include <csignal>
#include <fstream>

// ipipd with a nodes file, on a host without peers.

namespace scene {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(AgentOnOneHost, MakesItReadyForPods) {
    const auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    const Pod pod("pod");
    host.add(pod, agent->config());
    EXPECT_TRUE(reaches(pod.net, "10.10.100.10"));
    EXPECT_EQ(agent->page("/readyz").body, "ready\n");
    EXPECT_EQ(agent->page("/healthz").status, 200);
    EXPECT_EQ(agent->metric("ipip_ready"), 1);
    EXPECT_EQ(agent->metric("ipip_peers_wanted"), 0);
    EXPECT_TRUE(agent->says("the underlay is 172.16.5.126 on"));
    EXPECT_TRUE(agent->says("by the nodes file"));
    host.del(pod, agent->config());
}

TEST_F(AgentOnOneHost, IsNotReadyBeforeThereAreNodes) {
    std::filesystem::remove(nodes_file);
    const auto agent = start();
    ASSERT_TRUE(agent->says("--nodes-file: " + nodes_file.string() + ": cannot be read"));
    EXPECT_EQ(agent->page("/readyz").status, 503);
    EXPECT_THAT(agent->page("/readyz").body, HasSubstr("the nodes are not known yet"));
    EXPECT_EQ(agent->page("/healthz").status, 200);
    EXPECT_FALSE(exists(agent->conf_dir() / "10-ipip.conflist")) << "an ADD would fail";
    write_nodes_file(nodes_file, cluster.nodes());
    EXPECT_TRUE(agent->becomes_ready()) << agent->log();
}

// Found by the faults of the mesh: what could not be read for a moment was not read again.
TEST_F(AgentOnOneHost, ReadsTheFileOnceMoreThoughNothingTellsThatItCanBeNow) {
    const auto elsewhere = host.folder() / "elsewhere";
    std::filesystem::create_directory(elsewhere);
    std::filesystem::remove(nodes_file);
    std::filesystem::create_symlink(elsewhere / "nodes", nodes_file);
    const auto agent = start();
    ASSERT_TRUE(agent->says("--nodes-file: " + nodes_file.string() + ": cannot be read"));
    write_nodes_file(elsewhere / "nodes", cluster.nodes());
    EXPECT_TRUE(agent->becomes_ready()) << agent->log();
}

TEST_F(AgentOnOneHost, FollowsAFileOfWhichNothingTellsThatItChanged) {
    const auto elsewhere = host.folder() / "elsewhere";
    std::filesystem::create_directory(elsewhere);
    write_nodes_file(elsewhere / "nodes", cluster.nodes());
    std::filesystem::remove(nodes_file);
    std::filesystem::create_symlink(elsewhere / "nodes", nodes_file);
    const auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    std::ofstream(elsewhere / "nodes") << "nonsense";
    EXPECT_TRUE(agent->says("the nodes stay as they were")) << agent->log();
}

TEST_F(AgentOnOneHost, FollowsAFileWhoseDirectoryIsAnotherByNow) {
    const auto directory = host.folder() / "nodes.d";
    std::filesystem::create_directory(directory);
    nodes_file = directory / "nodes";
    write_nodes_file(nodes_file, cluster.nodes());
    const auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    std::filesystem::rename(directory, host.folder() / "before");
    std::filesystem::create_directory(directory);
    std::ofstream(nodes_file) << "nonsense";
    EXPECT_TRUE(agent->says("the nodes stay as they were")) << agent->log();
}

TEST_F(AgentOnOneHost, FollowsAFileOfItsOwnDirectory) {
    const auto agent = std::make_unique<Agent>(
        host, Words{"--nodes-file", nodes_file.filename()}, Words{},
        [this] { std::filesystem::current_path(nodes_file.parent_path()); });
    EXPECT_TRUE(agent->becomes_ready()) << agent->log();
}

TEST_F(AgentOnOneHost, FollowsADirectoryThatItCouldNotWatchBefore) {
    nodes_file = host.folder() / "nodes.d" / "nodes";
    const auto agent = start();
    ASSERT_TRUE(agent->says("cannot follow " + nodes_file.parent_path().string())) << agent->log();
    std::filesystem::create_directory(nodes_file.parent_path());
    write_nodes_file(nodes_file, cluster.nodes());
    EXPECT_TRUE(agent->becomes_ready()) << agent->log();
    std::ofstream(nodes_file) << "nonsense";
    EXPECT_TRUE(agent->says("the nodes stay as they were")) << agent->log();
}

TEST_F(AgentOnOneHost, IsNotReadyWhileItsAddressIsGone) {
    const auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    host.net().ip("address flush dev eth0");
    EXPECT_TRUE(comes_true([&] { return agent->page("/readyz").status == 503; })) << agent->log();
    host.net().ip("address add 172.16.5.126/24 dev eth0");
    EXPECT_TRUE(agent->becomes_ready()) << agent->log();
}

TEST_F(AgentOnOneHost, IsNotReadyWhileItIsNotAmongTheNodes) {
    const auto agent = start({"--node-name", "host7"});
    ASSERT_TRUE(comes_true([&] {
        return agent->page("/readyz").body.find("node host7 is not among") != std::string::npos;
    })) << agent->page("/readyz").body;
    EXPECT_EQ(agent->page("/readyz").status, 503);
}

TEST_F(AgentOnOneHost, KeepsWhatStandsWhenTheFileTurnsIntoNonsense) {
    const auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    const Json before = host.net().state();
    const Json nodes = cluster.nodes();
    Json clash = nodes;
    clash.push_back(nodes[0]);
    for (const std::string& nonsense :
         {std::string("{\"nodes\": ["), std::string("{}"), Json{{"nodes", clash}}.dump()}) {
        const int said = agent->count("the nodes stay as they were");
        std::ofstream(nodes_file) << nonsense;
        ASSERT_TRUE(comes_true([&] { return agent->count("the nodes stay as they were") > said; }))
            << nonsense;
        EXPECT_EQ(agent->page("/readyz").status, 200);
        EXPECT_TRUE(is_unchanged(host.net(), before));
    }
}

TEST_F(AgentOnOneHost, LeavesTheNetworkAsItIsWhenItEnds) {
    auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    const Pod pod("pod");
    const std::string config = agent->config();
    host.add(pod, config);
    const Json before = host.net().state();
    EXPECT_EQ(agent->stop(SIGTERM), 0);
    EXPECT_TRUE(is_unchanged(host.net(), before));
    agent.reset();
    const Pod other("other");
    host.add(other, config);
    EXPECT_TRUE(reaches(pod.net, "10.10.100.10"));
    host.del(other, config);
    host.del(pod, config);
}

TEST_F(AgentOnOneHost, GoesOnWithItsOwnFileWhereTheSourceIsAway) {
    auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    const Json before = host.net().state();
    EXPECT_EQ(agent->stop(SIGKILL), 128 + SIGKILL);
    agent.reset();
    std::filesystem::remove(nodes_file);
    host.net().ip("address delete 10.10.100.10/32 dev lo\n");
    ASSERT_FALSE(is_unchanged(host.net(), before));
    agent = start();
    EXPECT_TRUE(comes_true([&] { return bool(is_unchanged(host.net(), before)); }))
        << is_unchanged(host.net(), before).message() << agent->log();
    EXPECT_EQ(agent->page("/readyz").status, 503) << "the nodes are what they once were";
}

TEST_F(AgentOnOneHost, IsTheOnlyOne) {
    const auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    const auto second = start({"--listen", "127.0.0.1:9095"});
    EXPECT_EQ(second->wait(), 1);
    EXPECT_TRUE(second->says("another ipipd runs with the state directory /run/ipip-cni"));
}

TEST_F(AgentOnOneHost, RefusesAStateDirectoryThatOthersCanWriteTo) {
    std::filesystem::create_directory(host.state_dir());
    std::filesystem::permissions(host.state_dir(), std::filesystem::perms::all);
    const auto agent = start();
    EXPECT_EQ(agent->wait(), 1);
    EXPECT_TRUE(agent->says("run: chmod go-w /run/ipip-cni"));
}

TEST_F(AgentOnOneHost, NamesTheConfigurationThatRuntimesTakeInstead) {
    const auto folder = host.folder() / "net.d";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "05-bridge.conf") << "{}";
    const auto agent = start();
    EXPECT_TRUE(agent->says((folder / "05-bridge.conf").string() +
                            " comes before 10-ipip.conflist by name"));
    EXPECT_TRUE(agent->becomes_ready());
}

TEST_F(AgentOnOneHost, SaysHowToKeepFallbackTunnelsOutOfPodsWhereItCannot) {
    const auto agent = start({"--fallback-tunnels-on-host-only", "true"});
    EXPECT_TRUE(agent->says("sysctl -w net.core.fb_tunnels_only_for_init_net=1"));
    EXPECT_TRUE(agent->becomes_ready());
}

TEST_F(AgentOnOneHost, NamesKeysThatNobodyReads) {
    std::ofstream(host.folder() / "config") << R"({"ipMasQ": true})";
    const auto agent = start({"--config", (host.folder() / "config").string()});
    EXPECT_TRUE(agent->says("ipMasQ: is unknown, and is ignored"));
    EXPECT_TRUE(agent->becomes_ready());
}

TEST_F(AgentOnOneHost, RefusesOptionsThatCannotBe) {
    const std::string config = (host.folder() / "config").string();
    int files = 0;
    const auto file_of = [&](const char* text) {
        const std::string path = config + std::to_string(++files);
        std::ofstream(path) << text;
        return path;
    };
    const struct {
        Words options;
        int status;
        const char* says;
    } table[] = {
        {{"--mtu", "5"}, 2, "mtu: 5 is less than IPv4 needs; use 0 to have it found out"},
        {{"--topology", "star"}, 2, "topology: \"star\" is unknown; use \"pairs\""},
        {{"--name", "a/b"}, 2, "name: \"a/b\""},
        {{"--interface", "eth1"}, 2, "--interface: \"eth1\" goes with Kubernetes"},
        {{"--config", "/missing"}, 2, "--config: /missing cannot be read"},
        {{"--config", config}, 2, "--config: " /* the file holds no JSON */},
        {{"--listen", "192.0.2.1:9094"}, 1, "--listen: 192.0.2.1:9094 cannot be listened to"},
        {{"--state-dir", "relative"}, 2, "stateDir: \"relative\""},
        {{"--log-level", "loud"}, 2, "logLevel: \"loud\" is unknown; use trace, debug"},
        {{"--mtu", "abc"}, 2, "--mtu"},
        {{"--flag"}, 2, "--flag"},
        {{"--config", file_of(R"({"nodeName": "host1"})")}, 2, "give it by --node-name"},
        {{"--config", file_of(R"({"cniVersion": "9"})")}, 2, "cniVersion: \"9\" is not served"},
        {{"--config", file_of(R"({"cniVersions": "1.0.0"})")}, 2, "cniVersions: \"1.0.0\""},
        {{"--config", file_of(R"({"cniVersions": ["9"]})")}, 2, "cniVersions[0]: \"9\" is not"},
        {{"--config", file_of(R"({"cniVersions": []})")}, 2, "cniVersions: [] names no version"},
        {{"--config", file_of(R"({"logFile": "relative"})")}, 2, "logFile: \"relative\""},
        {{"--config", file_of(R"({"ipam": {"ranges": "x"}})")}, 2, "ipam.ranges: \"x\""},
        {{"--config", file_of(R"({"dns": {"nameservers": "x"}})")}, 2, "dns.nameservers: \"x\""},
    };
    std::ofstream(config) << "{\"mtu\":";
    for (const auto& [options, status, says] : table) {
        const auto agent = start(options);
        EXPECT_EQ(agent->wait(), status) << says;
        EXPECT_THAT(agent->log(), HasSubstr(says));
        std::filesystem::remove(host.folder() / "ipipd.log");
    }
    Agent nameless(host, {"--kubeconfig", "/missing"});
    EXPECT_EQ(nameless.wait(), 2);
    EXPECT_THAT(nameless.log(), HasSubstr("--node-name: is missing; give the name"));
    Agent nowhere(host, {"--kubeconfig", "/missing", "--node-name", "host1"});
    EXPECT_EQ(nowhere.wait(), 1);
    EXPECT_THAT(nowhere.log(), HasSubstr("--kubeconfig: /missing cannot be read"));
}

} // namespace
} // namespace scene
