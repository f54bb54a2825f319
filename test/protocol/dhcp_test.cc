#include "test/protocol/delegation.h"
#include "test/protocol/dhcp_server.h"

#include <gmock/gmock.h>

// Pods whose addresses come from a DHCP server on their host, through the reference plugin dhcp.

namespace scene {
namespace {

class Dhcp : public Delegation {
  protected:
    const Folder folder;
    const std::string socket = folder.path() / "dhcp.sock";
    const Json ipam{{"type", "dhcp"}, {"daemonSocketPath", socket}};
};

TEST_F(Dhcp, GivesAPodItsAddressAndTakesItBack) {
    const DhcpServer server(
        host.net(), {.address = "10.10.100.50", .mask = "255.255.255.0", .router = "10.10.100.10"});
    const DhcpDaemon daemon(host.net(), socket);
    const Json result = add(config(ipam));
    EXPECT_EQ(address_of(result), "10.10.100.50");
    EXPECT_EQ(result.at("routes"), Json::parse(R"([{"dst": "0.0.0.0/0", "gw": "10.10.100.10"}])"));
    EXPECT_TRUE(reaches(host.net(), "10.10.100.50"));
    EXPECT_TRUE(reaches(pod.net, "172.16.5.126"));
    EXPECT_EQ(server.heard(2), "DISCOVER REQUEST");
    // It takes the lease anew.
    expect_done(call("CHECK", config(ipam, {{"prevResult", result}})));
    EXPECT_EQ(server.heard(4), "DISCOVER REQUEST DISCOVER REQUEST");
    expect_done(call("DEL", config(ipam)));
    EXPECT_EQ(server.heard(5), "DISCOVER REQUEST DISCOVER REQUEST RELEASE");
    expect_nothing_left();
}

TEST_F(Dhcp, WithoutItsDaemonIsRefused) {
    const Refused refused = refusal_of(call("ADD", config(ipam)));
    EXPECT_EQ(refused.code, 999);
    EXPECT_THAT(refused.message,
                ::testing::StartsWith("the plugin /usr/lib/cni/dhcp (ADD) failed: error dialing "
                                      "DHCP daemon"));
    expect_nothing_left();
}

} // namespace
} // namespace scene
