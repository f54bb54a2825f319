#include "test/system/modules.h"
#include "test/system/trace.h"

#include <gmock/gmock.h>

namespace scene {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// The first of two hosts; the other is behind ipip-ac10057f.
class StatusOfTunnels : public ::testing::Test {
  protected:
    Call call() const {
        return {.verb = "STATUS", .config = cluster.config(), .container = {}, .netns = {}};
    }
    Output status() const { return host.call(call()); }

    Cluster cluster{2};
    Host& host = cluster.host(1);
    Pod pod{"pod"};
};

TEST_F(StatusOfTunnels, OfAFreshHostSucceedsAndMakesNone) {
    const Json before = host.net().state();
    const Output output = status();
    EXPECT_EQ(output.status, 0) << output.out;
    EXPECT_TRUE(is_unchanged(host.net(), before));
}

TEST_F(StatusOfTunnels, ThatAreBrokenSaysSoUntilTheNextAddMendsThem) {
    const std::vector<std::string> damages{"link delete ipip-ac10057f\n",
                                           "link set ipip-ac10057f down\n",
                                           "route delete 10.10.200.0/24\n",
                                           "address delete 10.10.100.10/32 dev lo\n"
                                           "link delete ipip-ac10057f\n"};
    host.add(pod, cluster.config());
    for (const std::string& damage : damages) {
        EXPECT_EQ(status().status, 0) << status().out;
        host.net().ip(damage);
        const Json before = host.net().state();
        const Refused refused = refusal_of(status());
        EXPECT_TRUE(is_unchanged(host.net(), before));
        EXPECT_EQ(refused.code, 51) << damage;
        EXPECT_THAT(refused.message, AnyOf(HasSubstr("host2"), HasSubstr("10.10.100.10")));
        const Pod next("next");
        host.add(next, cluster.config());
        EXPECT_EQ(status().status, 0) << damage << status().out;
        host.del(next, cluster.config());
    }
}

TEST_F(StatusOfTunnels, ThatAreBrokenIsWellWhereNoPodNeedsThem) {
    host.add(pod, cluster.config());
    host.net().ip("link delete ipip-ac10057f\n");
    host.del(pod, cluster.config());
    EXPECT_EQ(status().status, 0) << status().out;
}

TEST_F(StatusOfTunnels, NamesTheDeviceThatIsInTheWay) {
    host.net().ip("link add mine type ipip local 172.16.5.126 remote 172.16.5.127\n");
    const Refused refused = refusal_of(status());
    EXPECT_EQ(refused.code, 50);
    EXPECT_THAT(refused.message, HasSubstr("ip link delete mine"));
}

TEST_F(StatusOfTunnels, AsksForOneRouteAPeerButOfManyForSomeAndNothingForAPod) {
    std::vector<std::size_t> messages;
    for (const auto& [strangers, wanted] : {std::pair{0, 1U}, {0, 10U}, {20, 10U}, {40, 1U}}) {
        Call asked = call();
        asked.config = Cluster::config(cluster.nodes(strangers));
        std::vector<std::unique_ptr<Pod>> pods;
        while (pods.size() < wanted) {
            pods.push_back(std::make_unique<Pod>("pod" + std::to_string(pods.size())));
            host.add(*pods.back(), asked.config);
        }
        const Trace trace(host, asked);
        EXPECT_EQ(trace.output().status, 0) << trace.output().out;
        EXPECT_EQ(trace.dumps(), 0U);
        messages.push_back(trace.messages());
        for (const auto& one : pods)
            host.del(*one, asked.config);
    }
    EXPECT_EQ(messages[1], messages[0]);
    EXPECT_EQ(messages[2], messages[0] + 20);
    EXPECT_EQ(messages[3], messages[0] + 23) << "24 in all";
}

TEST_F(StatusOfTunnels, OfAKernelWithoutThemSaysHowToGetThem) {
    if (!unload("ipip"))
        GTEST_SKIP() << "ipip is built into this kernel or in use outside the test";
    const Refused refused = [&] {
        const ModulesRefused here;
        return refusal_of(status());
    }();
    EXPECT_EQ(refused.code, 50);
    EXPECT_THAT(refused.message, HasSubstr("modprobe ipip"));
    EXPECT_EQ(status().status, 0) << "it is loaded by the question itself";
}

} // namespace
} // namespace scene
