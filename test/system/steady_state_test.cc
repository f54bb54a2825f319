#include "test/system/cluster.h"

#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace scene {
namespace {

/// The netlink messages that an ADD sends, as strace shows them, a line a system call.
std::vector<std::string> messages_of_add(const Host& host, const std::string& config,
                                         const std::string& id) {
    const Folder folder;
    const std::string trace = folder.path() / "trace";
    const Pod pod(id);
    const Output output = host.call({.verb = "ADD",
                                     .config = config,
                                     .container = pod.id,
                                     .netns = pod.net.path(),
                                     .wrapper = {"strace", "-f", "-qq", "-s", "0", "-v", "-e",
                                                 "trace=sendmsg,sendto,write", "-o", trace}});
    EXPECT_EQ(output.status, 0) << output.out << output.err;
    EXPECT_EQ(output.err.find("tunnel"), std::string::npos) << output.err;
    std::ifstream file(trace);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);)
        if (line.find("sendmsg") != std::string::npos || line.find("sendto") != std::string::npos)
            lines.push_back(line);
    host.del(pod, config);
    return lines;
}

std::size_t count(const std::vector<std::string>& lines, const std::string& word) {
    std::size_t found = 0;
    for (const std::string& line : lines)
        for (auto at = line.find(word); at != std::string::npos; at = line.find(word, at + 1))
            ++found;
    return found;
}

/// The hosts of `cluster` and others that no one has ever heard of.
Json with_strangers(const Cluster& cluster, int strangers) {
    Json nodes = cluster.nodes();
    for (int i = 1; i <= strangers; ++i)
        nodes.push_back({{"name", "stranger" + std::to_string(i)},
                         {"addresses", {"172.16.7." + std::to_string(i)}},
                         {"podCIDRs", {"10.11." + std::to_string(i) + ".0/24"}}});
    return nodes;
}

TEST(SteadyState, AnAddNeitherDumpsNorTouchesTheMeshAndItsMessagesDoNotGrowWithNodes) {
    std::vector<std::size_t> messages;
    for (const int strangers : {10, 40}) {
        Cluster cluster(2);
        const Host& host = cluster.host(1);
        const std::string config =
            Cluster::config(with_strangers(cluster, strangers), {{"ipMasq", true}});
        const Pod first("first");
        host.add(first, config);
        const Json mesh = host.net().state();
        const auto lines = messages_of_add(host, config, "second");
        EXPECT_TRUE(is_unchanged(host.net(), mesh));
        EXPECT_EQ(count(lines, "NLM_F_DUMP"), 0U);
        EXPECT_EQ(count(lines, "NLM_F_ROOT"), 0U);
        messages.push_back(count(lines, "nlmsg_type="));
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
    const auto few = messages_of_add(host, cluster.config(), "probe");
    for (int i = 0; i < 20; ++i) {
        pods.push_back(std::make_unique<Pod>("pod" + std::to_string(i)));
        host.add(*pods.back(), cluster.config());
    }
    const auto many = messages_of_add(host, cluster.config(), "probe");
    EXPECT_EQ(count(few, "nlmsg_type="), count(many, "nlmsg_type="));
}

} // namespace
} // namespace scene
