#include "test/system/cluster.h"

#include <gtest/gtest.h>

namespace scene {
namespace {

/// Two hosts and an outside machine that knows no way back to the pods.
class Masquerade : public ::testing::Test {
  protected:
    void SetUp() override {
        cluster.wire().ip("link add port9 type veth peer name eth0 netns " + outside.path() +
                          "\nlink set port9 master br0 up\n");
        outside.ip("address add 172.16.5.9/24 dev eth0\nlink set eth0 up\n");
    }

    Cluster cluster{2};
    Namespace outside;
    const std::string config = Cluster::config(cluster.nodes(), {{"ipMasq", true}});
};

TEST_F(Masquerade, GivesPodsTheHostsAddressOutsideAndTheirOwnAmongThemselves) {
    const Pod one("one"), two("two"), far("far");
    cluster.host(1).add(one, config);
    const std::string near = address_of(cluster.host(1).add(two, config));
    const std::string there = address_of(cluster.host(2).add(far, config));
    EXPECT_TRUE(reaches(one.net, "172.16.5.9"));
    EXPECT_EQ(seen_source(one.net, outside, "172.16.5.9"), "172.16.5.126");
    EXPECT_EQ(seen_source(one.net, far.net, there), "10.10.100.1");
    EXPECT_EQ(seen_source(one.net, two.net, near), "10.10.100.1");
    EXPECT_EQ(seen_source(cluster.host(1).net(), far.net, there), "10.10.100.10");
}

TEST_F(Masquerade, IsOneRuleForTheNodeWhateverTheNumberOfPods) {
    const Pod one("one"), two("two");
    cluster.host(1).add(one, config);
    const Json before = cluster.host(1).net().json("nft -j list ruleset");
    cluster.host(1).add(two, config);
    EXPECT_EQ(cluster.host(1).net().json("nft -j list ruleset"), before);
    int rules = 0;
    for (const Json& entry : before.at("nftables"))
        rules += entry.contains("rule") && entry["rule"].at("chain") == "postrouting" ? 1 : 0;
    EXPECT_EQ(rules, 1);
}

TEST_F(Masquerade, ComesAndGoesWithTheSetting) {
    const Pod one("one"), two("two"), three("three");
    const auto masquerades = [&] {
        const std::string rules = cluster.host(1).net().run("nft list ruleset").out;
        return rules.find("masquerade") != rules.npos;
    };
    cluster.host(1).add(one, cluster.config());
    EXPECT_FALSE(masquerades());
    cluster.host(1).add(two, config);
    EXPECT_TRUE(masquerades());
    cluster.host(1).add(three, cluster.config());
    EXPECT_FALSE(masquerades());
}

TEST_F(Masquerade, TurnsOnForwardingForTheAnswersAndOffAgainAfterwards) {
    const auto forwarding = [&] {
        return cluster.host(1).net().sysctl("net/ipv4/conf/eth0/forwarding");
    };
    const Pod one("one");
    EXPECT_EQ(forwarding(), "0");
    cluster.host(1).add(one, config);
    EXPECT_EQ(forwarding(), "1");
    EXPECT_EQ(cluster.host(1).net().sysctl("net/ipv4/ip_forward"), "0") << "not for the whole host";
    cluster.host(1).del(one, config);
    EXPECT_EQ(forwarding(), "0");
}

TEST_F(Masquerade, LeavesForwardingOnWhereItWasOn) {
    cluster.host(1).net().set_sysctl("net/ipv4/ip_forward", "1");
    const Pod one("one");
    cluster.host(1).add(one, config);
    cluster.host(1).del(one, config);
    EXPECT_EQ(cluster.host(1).net().sysctl("net/ipv4/conf/eth0/forwarding"), "1");
}

} // namespace
} // namespace scene
