#include "test/system/cluster.h"

#include <gtest/gtest.h>
#include <set>
#include <thread>

namespace scene {
namespace {

/// ADDs for all pods at once; their results in the pods' order.
std::vector<Json> add_at_once(const Host& host, const std::vector<std::unique_ptr<Pod>>& pods,
                              const std::string& config) {
    std::vector<Json> results(pods.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < pods.size(); ++i)
        threads.emplace_back([&, i] { results[i] = host.add(*pods[i], config); });
    for (std::thread& thread : threads)
        thread.join();
    return results;
}

TEST(ParallelAdds, AHundredAtOnceOnAFreshHostAllSucceedWithAddressesOfTheirOwn) {
    Cluster cluster(2);
    const Host& host = cluster.host(1);
    const Json before = host.net().state();
    std::vector<std::unique_ptr<Pod>> pods;
    for (int i = 0; i < 100; ++i)
        pods.push_back(std::make_unique<Pod>("pod" + std::to_string(i)));
    const auto results = add_at_once(host, pods, cluster.config());
    std::set<std::string> addresses;
    for (const Json& result : results) {
        ASSERT_FALSE(result.is_null());
        addresses.insert(address_of(result));
    }
    EXPECT_EQ(addresses.size(), pods.size());
    EXPECT_FALSE(addresses.contains("10.10.100.10")) << "the endpoint is nobody's";

    // The first one made the mesh, once, and all of it stands.
    const Pod far("far");
    const std::string there = address_of(cluster.host(2).add(far, cluster.config()));
    EXPECT_TRUE(reaches(pods[0]->net, there));
    EXPECT_TRUE(reaches(far.net, address_of(results.back())));

    std::vector<std::thread> threads;
    for (const auto& pod : pods)
        threads.emplace_back([&] { host.del(*pod, cluster.config()); });
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_TRUE(is_unchanged(host.net(), before));
}

TEST(ParallelAdds, OnlyOneOfThemMakesTheMesh) {
    Cluster cluster(3);
    std::vector<std::unique_ptr<Pod>> pods;
    for (int i = 0; i < 20; ++i)
        pods.push_back(std::make_unique<Pod>("pod" + std::to_string(i)));
    std::vector<Output> outputs(pods.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < pods.size(); ++i)
        threads.emplace_back([&, i] {
            outputs[i] = cluster.host(1).call({.verb = "ADD",
                                               .config = cluster.config(),
                                               .container = pods[i]->id,
                                               .netns = pods[i]->net.path()});
        });
    for (std::thread& thread : threads)
        thread.join();
    int makers = 0;
    for (const Output& output : outputs) {
        EXPECT_EQ(output.status, 0) << output.out;
        makers += output.err.find("made the tunnel") == std::string::npos ? 0 : 1;
    }
    EXPECT_EQ(makers, 1);
}

} // namespace
} // namespace scene
