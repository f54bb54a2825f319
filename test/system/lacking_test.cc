#include "test/system/agent.h"
#include "test/system/cluster.h"
#include "test/system/modules.h"

#include <gmock/gmock.h>

// Kernels that lack something. What does not ask for it works on; what does is told how to get it.

namespace scene {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Two hosts on a kernel that has ipip and `more`, and gets nothing else while this lives.
class Lacking : public ::testing::Test {
  protected:
    /// Takes these modules away, and lets the kernel load no other. False where it is built with
    /// them, or they are in use outside the test.
    [[nodiscard]] bool begin(const std::string& without) {
        // The tables and tunnels of earlier tests hold theirs until their namespaces are gone.
        if (!comes_true([&] { return unload(without); }))
            return false;
        EXPECT_EQ(Namespace().run("modprobe -a ipip veth bridge").status, 0);
        refused.emplace();
        return true;
    }

    Output call(const char* verb, const Pod& pod, const Json& more, const Json& result = {}) {
        Json config = Json::parse(Cluster::config(cluster.nodes(), more));
        if (!result.is_null())
            config["prevResult"] = result;
        return cluster.host(1).call(
            {.verb = verb, .config = config.dump(), .container = pod.id, .netns = pod.net.path()});
    }

    /// A pod on each host talks to the other, and CHECK is content. Returns what the ADD logged.
    std::string works(const Json& more) {
        const Pod far("far");
        const std::string config = Cluster::config(cluster.nodes(), more);
        const std::string address = address_of(cluster.host(2).add(far, config));
        const Output added = call("ADD", near, more);
        EXPECT_EQ(added.status, 0) << added.out;
        EXPECT_TRUE(reaches(near.net, address));
        EXPECT_EQ(call("CHECK", near, more, Json::parse(added.out)).status, 0);
        EXPECT_EQ(call("DEL", near, more).status, 0);
        cluster.host(2).del(far, config);
        return added.err;
    }

    /// Its error; nothing is left of it.
    std::string refusal(const Json& more) {
        const Output output = call("ADD", near, more);
        EXPECT_EQ(refusal_of(output).code, 100) << output.out;
        EXPECT_THAT(cluster.host(1).net().run("ip link show").out, Not(HasSubstr("ipip-")));
        EXPECT_EQ(cluster.host(1).net().json("ip -j route show proto 94"), Json::array());
        EXPECT_EQ(near.net.run("ip link show dev eth0").status, 1);
        return refusal_of(output).message;
    }

    Cluster cluster{2};
    Pod near{"near"};
    std::optional<ModulesRefused> refused;
};

const char* const built_in = "the modules are built into this kernel or in use outside the test";
const char* const nftables =
    "nft_masq nft_chain_nat nft_fib_inet nft_fib_ipv4 nft_fib_ipv6 nft_fib "
    "nf_tables";

TEST_F(Lacking, WithoutNftablesAMeshWorksAndTheLogSaysWhatIsLeftOut) {
    if (!begin(nftables))
        GTEST_SKIP() << built_in;
    EXPECT_THAT(works({{"sourceCheck", true}}), HasSubstr("CONFIG_NF_TABLES_INET"));
    EXPECT_THAT(works({{"sourceCheck", false}}), Not(HasSubstr("nftables")));
}

TEST_F(Lacking, WithoutNftablesMasqueradingIsRefusedAndSaysHowToGetIt) {
    if (!begin(nftables))
        GTEST_SKIP() << built_in;
    EXPECT_THAT(refusal({{"ipMasq", true}}), HasSubstr("modprobe nf_tables"));
    refused.reset();
    works({{"ipMasq", true}}); // the kernel loads it for the ADD
}

TEST_F(Lacking, WithoutNftablesTheAgentKeepsTheMesh) {
    if (!begin(nftables))
        GTEST_SKIP() << built_in;
    const Host& host = cluster.host(1);
    write_nodes_file(host.folder() / "nodes", cluster.nodes());
    const Agent agent(host, {"--nodes-file", (host.folder() / "nodes").string()});
    EXPECT_TRUE(agent.becomes_ready()) << agent.log();
    EXPECT_TRUE(agent.says("CONFIG_NF_TABLES_INET")) << agent.log();
}

TEST_F(Lacking, WithoutMasqueradeInNftablesTheSourceCheckStands) {
    if (!begin("nft_masq nft_chain_nat"))
        GTEST_SKIP() << built_in;
    {
        refused.reset(); // of nftables it has the rest
        ASSERT_EQ(Namespace().run("modprobe -a nf_tables nft_fib_inet").status, 0);
        refused.emplace();
    }
    EXPECT_THAT(refusal({{"ipMasq", true}}), HasSubstr("modprobe -a nft_chain_nat nft_masq"));
    EXPECT_THAT(works(Json::object()), HasSubstr("set the nftables rules"));
}

TEST_F(Lacking, ItAsksForNoTunnelsButThoseItNeeds) {
    if (!begin("sit fou ip6_tunnel"))
        GTEST_SKIP() << built_in;
    works(Json::object());
    const std::string modules = Namespace().run("cat /proc/modules").out;
    for (const char* other : {"sit ", "fou ", "ip6_tunnel "})
        EXPECT_THAT(modules, Not(HasSubstr('\n' + std::string(other))));
}

} // namespace
} // namespace scene
