#include "test/protocol/scripted_plugin.h"
#include "test/system/trace.h"

#include <filesystem>
#include <gmock/gmock.h>

namespace scene {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// A host without peers that a runtime asks for its readiness.
class Status : public ::testing::Test {
  protected:
    static Call call(const std::string& config) {
        return {.verb = "STATUS", .config = config, .container = {}, .netns = {}};
    }
    Output status(const std::string& config) const { return host.call(call(config)); }
    Output status() const { return status(cluster.config()); }

    /// The message of an answer that no ADD could succeed.
    std::string not_available(const std::string& config) const {
        const Json before = host.net().state();
        const Output output = status(config);
        EXPECT_TRUE(is_unchanged(host.net(), before));
        EXPECT_EQ(output.status, 1);
        EXPECT_EQ(refusal_of(output).code, 50) << output.out;
        return refusal_of(output).message;
    }

    Cluster cluster{1};
    Host& host = cluster.host(1);
};

TEST_F(Status, OfAFreshHostSucceedsAndChangesNothing) {
    const Json before = host.net().state();
    for (int i = 0; i < 2; ++i) {
        const Output output = status();
        EXPECT_EQ(output.status, 0) << output.out;
        EXPECT_EQ(output.out, "");
        EXPECT_EQ(output.err, "");
    }
    EXPECT_TRUE(is_unchanged(host.net(), before));
    EXPECT_FALSE(std::filesystem::exists(host.state_dir() / "mesh.stamp"));
}

TEST_F(Status, OfAHostWithPodsSucceedsAndChangesNothing) {
    const Pod pod("pod");
    host.add(pod, cluster.config());
    const Json before = host.net().state();
    EXPECT_EQ(status().status, 0) << status().out;
    EXPECT_TRUE(is_unchanged(host.net(), before));
    host.del(pod, cluster.config());
    EXPECT_EQ(status().status, 0) << status().out;
}

TEST_F(Status, NamesTheNodesFileThatIsMissing) {
    Json config = Json::parse(cluster.config());
    config.erase("nodes");
    config["nodesFile"] = "/run/ipip-cni/absent.json";
    EXPECT_THAT(not_available(config.dump()),
                AllOf(HasSubstr("/run/ipip-cni/absent.json"), HasSubstr("ipipd")));
}

TEST_F(Status, NamesTheRangeThatIsFull) {
    Json nodes = cluster.nodes();
    nodes[0]["podCIDRs"] = {"10.10.100.8/30"}; // .9 and .10, of which the endpoint is one
    const Pod pod("pod");
    EXPECT_EQ(status(Cluster::config(nodes)).status, 0);
    host.add(pod, Cluster::config(nodes));
    EXPECT_THAT(not_available(Cluster::config(nodes)), HasSubstr("10.10.100.9"));
    host.del(pod, Cluster::config(nodes));
    EXPECT_EQ(status(Cluster::config(nodes)).status, 0) << "what rests is given rather than none";
}

TEST_F(Status, KeepsNoOtherVerbFromItsWork) {
    Json nodes = cluster.nodes();
    nodes[0]["podCIDRs"] = {"10.10.100.8/30"};
    const Json before = host.net().state();
    const Pod pod("pod");
    const Json result = host.add(pod, Cluster::config(nodes));
    not_available(Cluster::config(nodes));
    const Output check = host.call({.verb = "CHECK",
                                    .config = Cluster::config(nodes, {{"prevResult", result}}),
                                    .container = pod.id,
                                    .netns = pod.net.path()});
    EXPECT_EQ(check.status, 0) << check.out;
    const Output gc =
        host.call({.verb = "GC",
                   .config = Cluster::config(nodes, {{"cni.dev/valid-attachments", Json::array()}}),
                   .container = {},
                   .netns = {}});
    EXPECT_EQ(gc.status, 0) << gc.out;
    host.del(pod, Cluster::config(nodes));
    EXPECT_TRUE(is_unchanged(host.net(), before));
    host.add(pod, Cluster::config(nodes)); // should it be called all the same
}

TEST_F(Status, NamesTheStateDirectoryThatCannotBeUsed) {
    EXPECT_THAT(
        not_available(Cluster::config(cluster.nodes(), {{"stateDir", "/proc/self/status/below"}})),
        HasSubstr("/proc/self/status/below"));
}

TEST_F(Status, SaysThatTheHostIsNoNode) {
    Json nodes = cluster.nodes();
    nodes[0]["addresses"] = {"172.16.5.99"};
    EXPECT_THAT(not_available(Cluster::config(nodes)), HasSubstr("nodes"));
}

TEST_F(Status, SaysThatTheNodeIsAnotherHost) {
    Json nodes = cluster.nodes();
    nodes[0]["addresses"] = {"172.16.5.99"};
    EXPECT_THAT(not_available(Cluster::config(nodes, {{"nodeName", "host1"}})),
                HasSubstr("172.16.5.99"));
}

TEST_F(Status, NamesTheNetworkThatHasTheHost) {
    const Pod pod("pod");
    host.add(pod, cluster.config());
    EXPECT_THAT(not_available(Cluster::config(cluster.nodes(), {{"name", "second"}})),
                HasSubstr("\"podnet\""));
    EXPECT_EQ(status().status, 0);
}

TEST_F(Status, NamesTheOtherPluginThatIsMissing) {
    EXPECT_THAT(not_available(Cluster::config(cluster.nodes(), {{"ipam", {{"type", "absent"}}}})),
                AllOf(HasSubstr("ipam.type"), HasSubstr("\"absent\"")));
}

TEST_F(Status, OfAWrongConfigurationNamesTheKey) {
    const Refused refused =
        refusal_of(status(Cluster::config(cluster.nodes(), {{"mtu", "large"}})));
    EXPECT_EQ(refused.code, 7);
    EXPECT_THAT(refused.message, HasSubstr("mtu: \"large\""));
}

TEST_F(Status, IsAskedOfTheOtherPluginWhichHasTheSameConfiguration) {
    const ScriptedPlugin scripted;
    Call asked =
        call(Cluster::config(cluster.nodes(), {{"ipam", {{"type", "scripted"}, {"key", 7}}}}));
    asked.path = {scripted.path()};
    EXPECT_EQ(host.call(asked).status, 0) << host.call(asked).out;
    EXPECT_EQ(scripted.config("STATUS"), Json::parse(asked.config));

    scripted.on("STATUS", "echo '{\"code\": 51, \"msg\": \"half of it\"}'; exit 1");
    const Refused refused = refusal_of(host.call(asked));
    EXPECT_EQ(refused.code, 51);
    EXPECT_THAT(refused.message, HasSubstr("half of it"));
    scripted.on("STATUS", "exit 3");
    EXPECT_EQ(refusal_of(host.call(asked)).code, 50) << "it says nothing of its own";
}

TEST_F(Status, NeedsNoMoreOfTheKernelWithManyPodsThanWithOne) {
    const std::string config = Cluster::config(cluster.nodes(), {{"ipMasq", true}});
    std::vector<std::unique_ptr<Pod>> pods;
    std::vector<std::size_t> messages;
    for (const std::size_t wanted : {1U, 20U}) {
        while (pods.size() < wanted) {
            pods.push_back(std::make_unique<Pod>("pod" + std::to_string(pods.size())));
            host.add(*pods.back(), config);
        }
        const Trace trace(host, call(config));
        EXPECT_EQ(trace.output().status, 0) << trace.output().out;
        EXPECT_EQ(trace.dumps(), 0U);
        messages.push_back(trace.messages());
    }
    EXPECT_EQ(messages[0], messages[1]);
    EXPECT_GE(messages[0], 2U);
}

} // namespace
} // namespace scene
