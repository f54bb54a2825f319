#include "test/system/cluster.h"

#include <gmock/gmock.h>

// Leases that a crash left behind: the pods' links are gone, and no DEL came for them.

namespace scene {
namespace {

using ::testing::HasSubstr;

/// All five addresses of a small network are given out.
class AbandonedLeases : public ::testing::Test {
  protected:
    void SetUp() override {
        Json nodes = cluster.nodes();
        nodes[0]["podCIDRs"] = {"10.10.100.8/29"}; // .9 to .14, of which .10 is the endpoint
        config = Cluster::config(nodes);
        for (int i = 0; i < 5; ++i) {
            pods.push_back(std::make_unique<Pod>("pod" + std::to_string(i)));
            results.push_back(host.add(*pods.back(), config));
        }
    }

    /// As the kernel does when the pod's namespace goes.
    void lose_link(std::size_t pod) const {
        host.net().ip("link delete " + link_of(results[pod]) + "\n");
    }

    /// `seconds` later, by the clock that counts since the boot.
    Output call(const std::string& verb, int seconds) const {
        return host.call(
            {.verb = verb,
             .config = config,
             .container = next.id,
             .netns = next.net.path(),
             .wrapper = {"unshare", "--time", "--fork", "--boottime", std::to_string(seconds)}});
    }
    Output add(int seconds) const { return call("ADD", seconds); }

    Cluster cluster{1};
    Host& host = cluster.host(1);
    std::string config;
    std::vector<std::unique_ptr<Pod>> pods;
    std::vector<Json> results;
    Pod next{"next"};
};

TEST_F(AbandonedLeases, AreFreedWhenNoOtherAddressIsLeft) {
    lose_link(1);
    lose_link(3);
    const Output output = add(120);
    ASSERT_EQ(output.status, 0) << output.out;
    const std::string address = address_of(Json::parse(output.out));
    EXPECT_TRUE(address == address_of(results[1]) || address == address_of(results[3])) << address;
    for (const std::size_t lost : {1U, 3U})
        EXPECT_THAT(output.err,
                    HasSubstr("freed " + address_of(results[lost]) +
                              ", leased to interface eth0 of container " + pods[lost]->id));
    EXPECT_TRUE(reaches(host.net(), address));
    for (const std::size_t alive : {0U, 2U, 4U})
        EXPECT_TRUE(reaches(host.net(), address_of(results[alive]))) << alive;
    host.del(*pods[1], config); // should it come in the end, it finds nothing, and takes nothing
    EXPECT_TRUE(reaches(host.net(), address));
}

TEST_F(AbandonedLeases, AreFreedByADelHoweverYoung) {
    lose_link(1);
    host.del(*pods[1], config);
    const Output output = add(0);
    ASSERT_EQ(output.status, 0) << output.out;
    EXPECT_EQ(address_of(Json::parse(output.out)), address_of(results[1]));
}

TEST_F(AbandonedLeases, AreNotTakenFromPodsThatAreThere) {
    const Json before = host.net().state();
    EXPECT_EQ(refusal_of(add(120)).code, 101);
    EXPECT_TRUE(is_unchanged(host.net(), before));
    for (const Json& result : results)
        EXPECT_TRUE(reaches(host.net(), address_of(result)));
}

TEST_F(AbandonedLeases, AreSparedWhileTheyAreYoung) {
    lose_link(1);
    EXPECT_EQ(refusal_of(add(0)).code, 101);
    EXPECT_EQ(add(120).status, 0);
}

TEST_F(AbandonedLeases, AreSparedWhileTheLinkIsThere) {
    host.net().ip("route delete " + address_of(results[1]) + "/32\n");
    EXPECT_EQ(refusal_of(add(120)).code, 101);
}

TEST_F(AbandonedLeases, AreSparedWhileTheLinkBearsAnotherName) {
    const auto link = link_of(results[1]);
    host.net().ip("link set " + link +
                  " down\n" // its route goes
                  "link set " +
                  link + " name other0\n");
    EXPECT_EQ(refusal_of(add(120)).code, 101);
}

TEST_F(AbandonedLeases, AreNotMadeByADelOfALinkThatBearsAnotherName) {
    const auto link = link_of(results[1]);
    host.net().ip("link set " + link +
                  " down\n"
                  "link set " +
                  link + " name other0\n");
    host.del(*pods[1], config);
    EXPECT_EQ(host.net().run("ip -o link show dev other0").out, "");
    EXPECT_EQ(address_of(host.add(*pods[1], config)), address_of(results[1]));
}

TEST_F(AbandonedLeases, AreSparedWhileSomeoneRoutesToTheAddress) {
    lose_link(1);
    host.net().ip("route add " + address_of(results[1]) + "/32 dev eth0\n");
    EXPECT_EQ(refusal_of(add(120)).code, 101);
}

TEST_F(AbandonedLeases, DoNotMakeTheHostUnavailable) {
    EXPECT_EQ(refusal_of(call("STATUS", 120)).code, 50);
    lose_link(1);
    EXPECT_EQ(refusal_of(call("STATUS", 0)).code, 50) << "too young";
    const Json before = host.net().state();
    const Output output = call("STATUS", 120);
    EXPECT_EQ(output.status, 0) << output.out;
    EXPECT_TRUE(is_unchanged(host.net(), before));
    EXPECT_EQ(add(120).status, 0);
}

} // namespace
} // namespace scene
