#pragma once

#include "test/system/installation.h"

#include <gtest/gtest.h>

namespace scene {

/// A host with everything of ipip-cni on it, nftables rules and two pods included.
class UninstallTest : public ::testing::Test {
  protected:
    UninstallTest() {
        before = host.net().state();
        pod_before = web.net.state();
    }
    void install() {
        installation.put_all(config);
        add_pods();
    }
    void add_pods() {
        for (const Pod* pod : {&web, &db})
            host.add(*pod, config);
    }
    void expect_nothing_left() const {
        EXPECT_TRUE(is_unchanged(host.net(), before));
        EXPECT_TRUE(is_unchanged(web.net, pod_before));
        for (const auto& [file, text] : installation.files())
            ADD_FAILURE() << file << " is left";
        EXPECT_FALSE(std::filesystem::exists(host.state_dir()));
    }

    Cluster cluster{1};
    Host& host = cluster.host(1);
    std::string config = Cluster::config(cluster.nodes(), {{"ipMasq", true}});
    Installation installation{host};
    Pod web{"web"};
    Pod db{"db"};
    Json before;
    Json pod_before;
};

} // namespace scene
