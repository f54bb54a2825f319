#pragma once

#include "test/protocol/scripted_plugin.h"
#include "test/system/cluster.h"

#include <gtest/gtest.h>

namespace scene {

/// `ipip` on one host, whose addresses another IPAM plugin gives: Debian's or a scripted one.
class Delegation : public ::testing::Test {
  protected:
    Delegation() {
        host_before = host.net().state();
        pod_before = pod.net.state();
    }
    std::string config(const Json& ipam, const Json& more = Json::object()) const {
        Json all{{"cniVersion", "1.0.0"}, {"ipam", ipam}};
        all.update(more);
        return Cluster::config(cluster.nodes(), all);
    }
    Output call(const char* verb, const std::string& document) const {
        return call(verb, document, pod);
    }
    Output call(const char* verb, const std::string& document, const Pod& whose) const {
        return host.call({.verb = verb,
                          .config = document,
                          .container = whose.id,
                          .netns = whose.net.path(),
                          .args = "IgnoreUnknown=1;K8S_POD_NAME=web",
                          .path = {scripted.path()}});
    }
    Json add(const std::string& document) const {
        const Output output = call("ADD", document);
        EXPECT_EQ(output.status, 0) << output.out << output.err;
        return output.status == 0 ? Json::parse(output.out) : Json();
    }
    void expect_done(const Output& output) const {
        EXPECT_EQ(output.status, 0) << output.out << output.err;
        EXPECT_EQ(output.out, "");
    }
    /// With the last lease of the network its mesh goes too: a lease that was left would show.
    void expect_nothing_left() const {
        EXPECT_TRUE(is_unchanged(host.net(), host_before));
        EXPECT_TRUE(is_unchanged(pod.net, pod_before));
    }

    Cluster cluster{1};
    Host& host = cluster.host(1);
    Pod pod{"pod"};
    ScriptedPlugin scripted;
    const Json scripted_ipam{{"type", "scripted"}};
    const Json given = Json::parse(
        R"({"cniVersion": "1.0.0", "ips": [{"address": "10.10.100.50/24"}], "dns": {}})");
    Json host_before;
    Json pod_before;
};

} // namespace scene
