#include "test/system/trace.h"

#include <gtest/gtest.h>

namespace scene {
namespace {

/// An ADD that finds the mesh as it should be, and its DEL.
Trace trace_of_add(const Host& host, const std::string& config, const std::string& id) {
    const Pod pod(id);
    Trace trace(host,
                {.verb = "ADD", .config = config, .container = pod.id, .netns = pod.net.path()});
    EXPECT_EQ(trace.output().status, 0) << trace.output().out << trace.output().err;
    EXPECT_EQ(trace.output().err.find("tunnel"), std::string::npos) << trace.output().err;
    host.del(pod, config);
    return trace;
}

TEST(SteadyState, AnAddNeitherDumpsNorTouchesTheMeshAndItsMessagesDoNotGrowWithNodes) {
    std::vector<std::size_t> messages;
    for (const int strangers : {10, 40}) {
        Cluster cluster(2);
        const Host& host = cluster.host(1);
        const std::string config = Cluster::config(cluster.nodes(strangers), {{"ipMasq", true}});
        const Pod first("first");
        host.add(first, config);
        const Json mesh = host.net().state();
        const Trace trace = trace_of_add(host, config, "second");
        EXPECT_TRUE(is_unchanged(host.net(), mesh));
        EXPECT_EQ(trace.dumps(), 0U);
        messages.push_back(trace.messages());
    }
    EXPECT_EQ(messages[0], messages[1]);
    EXPECT_GT(messages[0], 5U);
}

TEST(SteadyState, AnAddsMessagesDoNotGrowWithPods) {
    Cluster cluster(2);
    const Host& host = cluster.host(1);
    std::vector<std::unique_ptr<Pod>> pods;
    pods.push_back(std::make_unique<Pod>("first"));
    host.add(*pods.back(), cluster.config());
    const Trace few = trace_of_add(host, cluster.config(), "probe");
    for (int i = 0; i < 20; ++i) {
        pods.push_back(std::make_unique<Pod>("pod" + std::to_string(i)));
        host.add(*pods.back(), cluster.config());
    }
    const Trace many = trace_of_add(host, cluster.config(), "probe");
    EXPECT_EQ(few.messages(), many.messages());
}

} // namespace
} // namespace scene
