#include "netlink/nftables.h"

#include "netlink/error.h"
#include "test/kernel/scene.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netlink {
namespace {

using ip::Cidr;
using scene::Json;
using scene::Namespace;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<Cidr> cidrs(std::initializer_list<const char*> texts) {
    std::vector<Cidr> result;
    for (const char* text : texts)
        result.push_back(Cidr::parse(text));
    return result;
}

bool masquerade(const Masquerade& rule) {
    return set_rules({.masquerade = rule, .source_check = {}});
}

class NatTest : public testing::Test {
  protected:
    /// The objects of one type ("table", "set", ...) of all tables, as nft shows them.
    std::vector<Json> objects(const std::string& type) const {
        std::vector<Json> result;
        const Json listed = host_.json("nft -j list ruleset");
        for (const Json& entry : listed.at("nftables"))
            if (entry.contains(type))
                result.push_back(entry.at(type));
        return result;
    }

    /// What a set of ours holds, each interval as text; {"no set"} where it is missing.
    std::vector<std::string> elements(const std::string& name) const {
        const Json set = scene::find(objects("set"), "name", name);
        if (set.is_null())
            return {"no set"};
        std::vector<std::string> result;
        for (const Json& element : set.value("elem", Json::array()))
            result.push_back(shown(element));
        return result;
    }

    static std::string shown(const Json& element) {
        if (element.contains("prefix"))
            return element["prefix"]["addr"].get<std::string>() + '/' +
                   element["prefix"]["len"].dump();
        if (element.contains("range"))
            return element["range"][0].get<std::string>() + '-' +
                   element["range"][1].get<std::string>();
        return element.is_string() ? element.get<std::string>() : element.dump();
    }

    Namespace host_;
    scene::Visit inside_{host_};
};

TEST_F(NatTest, OneRuleOfAFamilyMasqueradesWhatLeavesTheCluster) {
    EXPECT_TRUE(masquerade({.sources = cidrs({"10.10.100.0/24"}),
                            .spared = cidrs({"10.10.100.0/24", "10.10.200.0/24"})}));
    const auto tables = objects("table");
    ASSERT_EQ(tables.size(), 1U);
    EXPECT_EQ(tables[0].at("family"), "inet");
    EXPECT_EQ(tables[0].at("name"), "ipip-cni");

    auto chains = objects("chain");
    ASSERT_EQ(chains.size(), 1U);
    chains[0].erase("handle");
    EXPECT_EQ(chains[0], Json::parse(R"({
        "family": "inet", "table": "ipip-cni", "name": "postrouting", "type": "nat",
        "hook": "postrouting", "prio": 100, "policy": "accept"})"));

    for (const char* name : {"node_pods_v4", "spared_v4"}) {
        const Json set = scene::find(objects("set"), "name", name);
        EXPECT_EQ(set.value("type", ""), "ipv4_addr");
        EXPECT_EQ(set.value("flags", Json()), Json::parse(R"(["interval"])"));
    }
    EXPECT_THAT(elements("node_pods_v4"), ElementsAre("10.10.100.0/24"));
    EXPECT_THAT(elements("spared_v4"),
                ElementsAre("10.10.100.0/24", "10.10.200.0/24", "224.0.0.0/4"));

    auto rules = objects("rule");
    ASSERT_EQ(rules.size(), 1U);
    EXPECT_EQ(rules[0].at("chain"), "postrouting");
    EXPECT_EQ(rules[0].at("expr"), Json::parse(R"([
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                   "right": "@node_pods_v4"}},
        {"match": {"op": "!=", "left": {"payload": {"protocol": "ip", "field": "daddr"}},
                   "right": "@spared_v4"}},
        {"masquerade": null}])"));
    EXPECT_EQ(objects("set").size(), 2U);
}

TEST_F(NatTest, AnIpv6NodeHasItsOwnRule) {
    masquerade({.sources = cidrs({"10.10.100.0/24", "fd00:10:100::/64"}),
                .spared = cidrs({"10.10.0.0/16", "fd00:10::/32"})});
    EXPECT_THAT(elements("node_pods_v4"), ElementsAre("10.10.100.0/24"));
    EXPECT_THAT(elements("spared_v4"), ElementsAre("10.10.0.0/16", "224.0.0.0/4"));
    EXPECT_THAT(elements("node_pods_v6"), ElementsAre("fd00:10:100::/64"));
    EXPECT_THAT(elements("spared_v6"), ElementsAre("fd00:10::/32", "ff00::/8"));
    const auto rules = objects("rule");
    ASSERT_EQ(rules.size(), 2U);
    EXPECT_EQ(rules[1].at("expr"), Json::parse(R"([
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip6", "field": "saddr"}},
                   "right": "@node_pods_v6"}},
        {"match": {"op": "!=", "left": {"payload": {"protocol": "ip6", "field": "daddr"}},
                   "right": "@spared_v6"}},
        {"masquerade": null}])"));
}

TEST_F(NatTest, AFamilyWithoutSourcesHasNoRule) {
    masquerade({.sources = cidrs({"fd00:10:100::/64"}), .spared = cidrs({"10.10.0.0/16"})});
    EXPECT_EQ(objects("rule").size(), 1U);
    EXPECT_THAT(elements("spared_v4"), ElementsAre("no set"));
}

TEST_F(NatTest, NoSourcesAtAllAreNoRuleAtAll) {
    EXPECT_TRUE(masquerade({}));
    EXPECT_FALSE(masquerade({}));
    EXPECT_THAT(objects("rule"), IsEmpty());
}

TEST_F(NatTest, NeighbouringBlocksAreOneInterval) {
    masquerade({.sources = cidrs({"10.10.2.0/24", "10.10.0.0/24", "10.10.1.0/24", "10.10.4.0/24"}),
                .spared = cidrs({"10.20.1.0/24", "10.20.0.0/24"})});
    EXPECT_THAT(elements("node_pods_v4"), ElementsAre("10.10.0.0-10.10.2.255", "10.10.4.0/24"));
    EXPECT_THAT(elements("spared_v4"), ElementsAre("10.20.0.0/23", "224.0.0.0/4"));
}

TEST_F(NatTest, ABlockMayReachBothEndsOfTheAddresses) {
    masquerade({.sources = cidrs({"0.0.0.0/8", "255.255.255.0/24", "::/16", "fff0::/12"}),
                .spared = cidrs({"0.0.0.0/1"})});
    EXPECT_THAT(elements("node_pods_v4"), ElementsAre("0.0.0.0/8", "255.255.255.0/24"));
    EXPECT_THAT(elements("spared_v4"), ElementsAre("0.0.0.0/1", "224.0.0.0/4"));
    EXPECT_THAT(elements("node_pods_v6"), ElementsAre("::/16", "fff0::/12"));
}

TEST_F(NatTest, BlocksUpToTheLastAddressAreOneInterval) {
    masquerade({.sources = cidrs({"255.255.255.0/24", "255.255.254.0/24"}), .spared = {}});
    EXPECT_THAT(elements("node_pods_v4"), ElementsAre("255.255.254.0/23"));
    masquerade({.sources = cidrs({"240.0.0.0/4"}), .spared = cidrs({"240.0.0.0/4"})});
    EXPECT_THAT(elements("node_pods_v4"), ElementsAre("240.0.0.0/4"));
    EXPECT_THAT(elements("spared_v4"), ElementsAre("224.0.0.0/3"));
}

TEST_F(NatTest, TakesTheBlocksOfAClusterThatNeedsSeveralMessages) {
    Masquerade rules{.sources = cidrs({"10.0.0.0/24"}), .spared = {}};
    std::vector<std::string> expected;
    for (unsigned i = 0; i < 2500; ++i) { // every other /24, so that none touch
        const std::string text =
            "10." + std::to_string(i / 128) + '.' + std::to_string(i % 128 * 2) + ".0/24";
        rules.spared.push_back(Cidr::parse(text));
        expected.push_back(text);
    }
    expected.emplace_back("224.0.0.0/4");
    EXPECT_TRUE(masquerade(rules));
    EXPECT_EQ(elements("spared_v4"), expected);
    EXPECT_FALSE(masquerade(rules));
}

TEST_F(NatTest, DoesNothingWhereTheRulesStand) {
    const Masquerade rules{.sources = cidrs({"10.10.100.0/24"}), .spared = cidrs({"10.10.0.0/16"})};
    EXPECT_TRUE(masquerade(rules));
    const Json before = host_.state(); // its handles tell a table from one made anew
    EXPECT_FALSE(masquerade(rules));
    EXPECT_EQ(host_.state(), before);
}

TEST_F(NatTest, OtherRulesReplaceThoseThatStand) {
    masquerade({.sources = cidrs({"10.10.100.0/24", "fd00:10:100::/64"}),
                .spared = cidrs({"10.10.0.0/16"})});
    EXPECT_TRUE(
        masquerade({.sources = cidrs({"10.10.100.0/24"}), .spared = cidrs({"10.10.0.0/17"})}));
    EXPECT_THAT(elements("spared_v4"), ElementsAre("10.10.0.0/17", "224.0.0.0/4"));
    EXPECT_THAT(elements("node_pods_v6"), ElementsAre("no set"));
    EXPECT_EQ(objects("table").size(), 1U);
    EXPECT_EQ(objects("rule").size(), 1U);
}

TEST_F(NatTest, ABlockThatMovesFromSparedToSourcesIsAChange) {
    EXPECT_TRUE(masquerade({.sources = cidrs({"10.1.0.0/16", "10.2.0.0/16"}), .spared = {}}));
    EXPECT_TRUE(masquerade({.sources = cidrs({"10.1.0.0/16"}), .spared = cidrs({"10.2.0.0/16"})}));
}

TEST_F(NatTest, ATableOfItsNameMadeByHandIsReplaced) {
    ASSERT_EQ(host_.run("nft add table inet ipip-cni").status, 0);
    ASSERT_EQ(host_.run("nft add chain inet ipip-cni other").status, 0);
    EXPECT_TRUE(masquerade({.sources = cidrs({"10.10.100.0/24"}), .spared = {}}));
    EXPECT_EQ(objects("chain").size(), 1U);
    EXPECT_EQ(objects("rule").size(), 1U);
}

TEST_F(NatTest, TheTablesOfOthersStayAsTheyAre) {
    const std::string others =
        "table ip nat {\n"
        "  chain postrouting {\n"
        "    type nat hook postrouting priority srcnat;\n"
        "    ip saddr 10.9.0.0/16 masquerade\n"
        "  }\n"
        "}\n"
        "table inet other { set s { type ipv4_addr; elements = { 10.8.0.1 }; }; }\n"
        "table ip ipip-cni { }\n";
    ASSERT_EQ(host_.run("nft -f -", others).err, "");
    const Json before = host_.state();
    masquerade({.sources = cidrs({"10.10.100.0/24"}), .spared = {}});
    masquerade({.sources = cidrs({"10.10.101.0/24"}), .spared = {}});
    EXPECT_TRUE(remove_rules());
    EXPECT_EQ(host_.state(), before);
}

TEST_F(NatTest, RemovesItsTableOnce) {
    const Json before = host_.state();
    EXPECT_FALSE(remove_rules());
    masquerade({.sources = cidrs({"10.10.100.0/24"}), .spared = {}});
    EXPECT_TRUE(remove_rules());
    EXPECT_EQ(host_.state(), before);
    EXPECT_FALSE(remove_rules());
}

TEST_F(NatTest, SpeaksToTheThreadsNamespace) {
    const Namespace other;
    other.in([] { masquerade({.sources = cidrs({"10.10.100.0/24"}), .spared = {}}); });
    EXPECT_THAT(objects("table"), IsEmpty());
    EXPECT_FALSE(remove_rules());
    EXPECT_TRUE(other.in([] { return remove_rules(); }));
}

} // namespace
} // namespace netlink
