#include "test/system/cluster.h"

#include <gtest/gtest.h>

// What ADD says that it made is what the kernel has.

namespace scene {
namespace {

class AddResult : public ::testing::Test {
  protected:
    /// Entry number `index` of its interfaces, compared with the kernel's device in `space`.
    void expect_interface(std::size_t index, const Namespace& space) const {
        const Json interface = result.at("interfaces").at(index);
        const std::string name = interface.at("name");
        const Json device = space.ip("link show dev " + name + "\n").at(0).at(0);
        EXPECT_EQ(interface.at("mac"), device.at("address")) << name;
        EXPECT_EQ(interface.at("mtu"), device.at("mtu")) << name;
    }

    Cluster cluster{1};
    const Host& host = cluster.host(1);
    const Pod pod{"pod"};
    const Json result = host.add(
        pod, Cluster::config(cluster.nodes(), {{"dns", {{"nameservers", {"10.10.100.10"}}}}}));
};

TEST_F(AddResult, HasTheConfigurationsVersionAndItsDns) {
    EXPECT_EQ(result.at("cniVersion"), "1.1.0");
    EXPECT_EQ(result.at("dns"), Json::parse(R"({"nameservers": ["10.10.100.10"]})"));
}

TEST_F(AddResult, ListsTheHostEndWithoutAndThePodsEndWithItsSandbox) {
    ASSERT_EQ(result.at("interfaces").size(), 2U);
    expect_interface(0, host.net());
    EXPECT_FALSE(result.at("interfaces")[0].contains("sandbox"));
    expect_interface(1, pod.net);
    EXPECT_EQ(result.at("interfaces")[1].at("name"), "eth0");
    EXPECT_EQ(result.at("interfaces")[1].at("sandbox"), pod.net.path());
}

TEST_F(AddResult, ListsTheAddressOfThePodsInterfaceWithItsGateway) {
    const Json device = pod.net.ip("address show dev eth0\n").at(0).at(0);
    ASSERT_EQ(device.at("addr_info").size(), 1U);
    const std::string address = device.at("addr_info")[0].at("local");
    EXPECT_EQ(result.at("ips"),
              Json::array(
                  {{{"address", address + "/32"}, {"gateway", "10.10.100.10"}, {"interface", 1}}}));
}

TEST_F(AddResult, ListsTheRoutesThatItMade) {
    const Json shown = pod.net.ip("route show\n").at(0);
    EXPECT_EQ(result.at("routes"), Json::array({{{"dst", "0.0.0.0/0"}, {"gw", "10.10.100.10"}}}));
    EXPECT_EQ(find(shown, "dst", "default").at("gateway"), "10.10.100.10");
}

} // namespace
} // namespace scene
