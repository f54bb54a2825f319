#include "test/system/cluster.h"

#include <gtest/gtest.h>

namespace scene {
namespace {

TEST(Deletion, OfAllPodsLeavesTheKernelAsItWas) {
    Cluster cluster(3);
    std::vector<Json> before;
    std::vector<std::unique_ptr<Pod>> pods;
    const std::string config = Cluster::config(cluster.nodes(), {{"ipMasq", true}});
    for (int i = 1; i <= 3; ++i)
        before.push_back(cluster.host(i).net().state());
    for (int i = 0; i < 6; ++i) {
        pods.push_back(std::make_unique<Pod>("pod" + std::to_string(i)));
        cluster.host(i % 3 + 1).add(*pods.back(), config);
    }
    for (int i = 0; i < 6; ++i)
        cluster.host(i % 3 + 1).del(*pods[static_cast<std::size_t>(i)], config);
    for (int i = 1; i <= 3; ++i)
        EXPECT_TRUE(is_unchanged(cluster.host(i).net(), before[static_cast<std::size_t>(i - 1)]))
            << "host " << i;
}

TEST(Deletion, TakesEverythingOfThePodWhileTheOthersStay) {
    Cluster cluster(2);
    const Host& host = cluster.host(1);
    const Pod staying("staying"), going("going");
    const std::string stays = address_of(host.add(staying, cluster.config()));
    const Json before = host.net().state();
    const Json inside = going.net.state();
    host.add(going, cluster.config());
    host.del(going, cluster.config());
    EXPECT_TRUE(is_unchanged(host.net(), before));
    EXPECT_TRUE(is_unchanged(going.net, inside));
    EXPECT_TRUE(reaches(host.net(), stays));
}

TEST(Deletion, NeedsNoNamespace) {
    Cluster cluster(2);
    const Host& host = cluster.host(1);
    const Json before = host.net().state();
    const Pod pod("pod");
    host.add(pod, cluster.config());
    const Output output =
        host.call({.verb = "DEL", .config = cluster.config(), .container = pod.id, .netns = {}});
    EXPECT_EQ(output.status, 0) << output.out;
    EXPECT_TRUE(is_unchanged(host.net(), before));
}

TEST(Deletion, WorksWhenTheNamespaceHasGoneWithThePod) {
    Cluster cluster(2);
    const Host& host = cluster.host(1);
    const Json before = host.net().state();
    std::string path;
    {
        const Pod pod("pod");
        host.add(pod, cluster.config());
        path = pod.net.path();
    }
    for (int i = 0; i < 2; ++i) { // and a second time, as runtimes do
        const Output output = host.call(
            {.verb = "DEL", .config = cluster.config(), .container = "pod", .netns = path});
        EXPECT_EQ(output.status, 0) << output.out;
    }
    EXPECT_TRUE(is_unchanged(host.net(), before));
}

TEST(Deletion, OfWhatNeverWasSucceedsAndChangesNothing) {
    Cluster cluster(2);
    const Json before = cluster.host(1).net().state();
    const Pod pod("pod");
    cluster.host(1).del(pod, cluster.config());
    EXPECT_TRUE(is_unchanged(cluster.host(1).net(), before));
}

TEST(Deletion, WorksWithANodeListThatHasBecomeWrong) {
    Cluster cluster(2);
    const Host& host = cluster.host(1);
    const Json before = host.net().state();
    const Pod pod("pod");
    host.add(pod, cluster.config());
    Json wrong = cluster.nodes();
    wrong[0]["podCIDRs"] = {"nonsense"};
    host.del(pod, Cluster::config(wrong));
    EXPECT_TRUE(is_unchanged(host.net(), before));
}

TEST(Deletion, LetsAnAddressRestBeforeItIsGivenOutAgain) {
    Cluster cluster(1);
    const Pod pod("pod"), next("next");
    const std::string first = address_of(cluster.host(1).add(pod, cluster.config()));
    cluster.host(1).del(pod, cluster.config());
    EXPECT_NE(address_of(cluster.host(1).add(next, cluster.config())), first);
}

/// Fails the plugin's Nth call of `call`, for N = 1, 2, ... until one run is not touched by it:
/// every failure must leave nothing behind, and so must a DEL after it.
void sweep(const char* call, const char* fault) {
    Cluster cluster(2);
    const Host& host = cluster.host(1);
    const std::string config = Cluster::config(cluster.nodes(), {{"ipMasq", true}});
    const Json before = host.net().state();
    int failures = 0;
    for (int n = 1; n < 200; ++n) {
        const Pod pod("pod" + std::to_string(n));
        const Json inside = pod.net.state();
        const std::string injection =
            std::string("inject=") + call + ":" + fault + ":when=" + std::to_string(n);
        const Output output =
            host.call({.verb = "ADD",
                       .config = config,
                       .container = pod.id,
                       .netns = pod.net.path(),
                       .wrapper = {"strace", "-f", "-qq", "-o", "/dev/null", "-e",
                                   std::string("trace=") + call, "-e", injection}});
        if (output.status == 0) {
            host.del(pod, config);
            EXPECT_GE(failures, 5) << "the sweep touched nothing";
            return;
        }
        ++failures;
        if (std::string(fault).starts_with("error")) {
            EXPECT_TRUE(is_unchanged(host.net(), before)) << call << ' ' << n << '\n' << output.out;
            EXPECT_TRUE(is_unchanged(pod.net, inside)) << call << ' ' << n << '\n' << output.out;
            EXPECT_TRUE(Json::parse(output.out).contains("msg")) << output.out;
        }
        host.del(pod, config);
        ASSERT_TRUE(is_unchanged(host.net(), before)) << "after the DEL: " << call << ' ' << n;
    }
    FAIL() << "no end of calls";
}

TEST(FailedAdd, LeavesNothingWhicheverRequestTheKernelRefuses) {
    sweep("sendmsg", "error=ENOBUFS");
}

TEST(FailedAdd, KilledAtAnyRequestIsCleanedUpByDel) {
    sweep("sendmsg", "signal=SIGKILL");
}

} // namespace
} // namespace scene
