#include "agent/kube_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace agent {
namespace {

using testing::HasSubstr;

json::Value object() {
    return json::parse(R"({
        "metadata": {"name": "host1", "resourceVersion": "7", "annotations": {"other/key": "x"}},
        "spec": {"podCIDR": "10.10.100.0/24", "podCIDRs": ["10.10.100.0/24", "fd00:10::/64"]},
        "status": {"addresses": [
            {"type": "Hostname", "address": "host1"},
            {"type": "ExternalIP", "address": "192.0.2.1"},
            {"type": "InternalIP", "address": "fd00::1"},
            {"type": "InternalIP", "address": "172.16.5.126"},
            {"type": "InternalIP", "address": "172.16.5.226"}]}})");
}

Candidate read(const json::Value& document) {
    return read_kube_node(json::Field(document));
}

TEST(KubeNode, IsANodeByItsInternalAddressAndPodCidrs) {
    const Candidate node = read(object());
    EXPECT_EQ(node.name, "host1");
    ASSERT_TRUE(node.node) << node.waits_for;
    EXPECT_EQ(mesh::to_json(*node.node),
              json::parse(R"({"name": "host1", "addresses": ["172.16.5.126"],
                  "podCIDRs": ["10.10.100.0/24"], "tunnelAddresses": ["10.10.100.1"]})"));
}

TEST(KubeNode, OfAnOldServerHasOnePodCidr) {
    json::Value document = object();
    document["spec"].erase("podCIDRs");
    EXPECT_TRUE(read(document).node);
}

TEST(KubeNode, IsOverruledByItsAnnotations) {
    json::Value document = object();
    document["metadata"]["annotations"] = {{addresses_annotation, "192.0.2.7"},
                                           {pod_cidrs_annotation, "10.20.1.0/24, 10.20.2.0/24"},
                                           {endpoint_annotation, "10.20.1.9"}};
    const Candidate node = read(document);
    ASSERT_TRUE(node.node) << node.waits_for;
    EXPECT_EQ(mesh::to_json(*node.node), json::parse(R"({"name": "host1",
        "addresses": ["192.0.2.7"], "podCIDRs": ["10.20.1.0/24", "10.20.2.0/24"],
        "tunnelAddresses": ["10.20.1.9"]})"));
    EXPECT_TRUE(node.annotated);
    document["metadata"]["annotations"].erase(pod_cidrs_annotation);
    document["metadata"]["annotations"].erase(endpoint_annotation);
    EXPECT_FALSE(read(document).annotated);
}

TEST(KubeNode, IsWaitedForUntilItHasBoth) {
    json::Value document = object();
    document["spec"] = json::Value::object();
    EXPECT_EQ(read(document).waits_for, "has no IPv4 pod CIDR yet");
    EXPECT_FALSE(read(document).wrong);
    document = object();
    document.erase("status");
    EXPECT_EQ(read(document).waits_for, "has no IPv4 address of type InternalIP yet");
    EXPECT_FALSE(read(document).wrong);
}

TEST(KubeNode, WithNonsenseInItIsWrongAndSaysWhere) {
    const struct {
        const char* pointer;
        json::Value value;
        const char* why;
    } table[] = {
        {"/spec/podCIDRs", 5, "spec.podCIDRs: 5 is not a list"},
        {"/spec/podCIDRs", {"10.10.100.1/24"}, "podCIDRs[0]: "},
        {"/spec/podCIDRs", {"10.10.100.0/31"}, "too small"},
        {"/status/addresses", "x", "status.addresses: \"x\" is not a list"},
        {"/status/addresses", {{{"type", "InternalIP"}, {"address", "host1"}}}, "addresses[0]: "},
        {"/status/addresses",
         {{{"type", "InternalIP"}, {"address", "127.0.0.1"}}},
         "addresses[0]: "},
        {"/metadata/annotations", {{addresses_annotation, "x"}}, "addresses[0]: "},
        {"/metadata/annotations", {{endpoint_annotation, "10.9.9.9"}}, "tunnelAddresses[0]: "},
        {"/metadata/annotations", {{endpoint_annotation, 5}}, "is not a string"},
    };
    for (const auto& [pointer, value, why] : table) {
        json::Value document = object();
        document[json::Value::json_pointer(pointer)] = value;
        const Candidate node = read(document);
        EXPECT_FALSE(node.node) << pointer;
        EXPECT_TRUE(node.wrong) << pointer;
        EXPECT_THAT(node.waits_for, HasSubstr(why));
    }
}

TEST(KubeNode, NeedsAName) {
    EXPECT_THROW(read(json::parse("{}")), json::FieldError);
    EXPECT_THROW(read(json::parse(R"({"metadata": {"name": 5}})")), json::FieldError);
}

} // namespace
} // namespace agent
