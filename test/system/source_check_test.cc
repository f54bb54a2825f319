#include "test/system/cluster.h"

#include <gtest/gtest.h>

namespace scene {
namespace {

/// A pod that claims another address as well, and one on the other host that listens.
class SourceCheck : public ::testing::Test {
  protected:
    bool is_answered(const std::string& config, const std::string& claimed) {
        cluster.host(1).add(one, config);
        const std::string there = address_of(cluster.host(2).add(far, config));
        EXPECT_TRUE(reaches(one.net, there));
        one.net.ip("address add " + claimed + "/32 dev eth0\n");
        // Whether the far pod's kernel counted the echo request is what tells: an answer could
        // not find its way back in any case.
        const auto requests = [&] {
            const std::string text = far.net.run("nstat -asz IcmpInEchos").out;
            return std::stol(text.substr(text.find("IcmpInEchos") + 11));
        };
        const long before = requests();
        one.net.run("ping -n -q -c 2 -i 0.2 -W 1 -I " + claimed + " " + there);
        return requests() > before;
    }

    Cluster cluster{2};
    Pod one{"one"};
    Pod far{"far"};
};

TEST_F(SourceCheck, DropsWhatAPodSendsFromAnAddressOfAnotherNode) {
    EXPECT_FALSE(is_answered(cluster.config(), "10.10.200.77"));
}

TEST_F(SourceCheck, DropsWhatAPodSendsFromAnAddressOutsideTheCluster) {
    EXPECT_FALSE(is_answered(cluster.config(), "192.0.2.7"));
}

TEST_F(SourceCheck, CanBeTurnedOff) {
    EXPECT_TRUE(
        is_answered(Cluster::config(cluster.nodes(), {{"sourceCheck", false}}), "192.0.2.7"));
}

} // namespace
} // namespace scene
