#include "test/system/cluster.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

namespace scene {
namespace {

using ::testing::IsEmpty;

/// Three hosts with a pod on each.
class Mesh : public ::testing::Test {
  protected:
    void SetUp() override {
        for (int i = 1; i <= cluster.size(); ++i) {
            pods.push_back(std::make_unique<Pod>("pod" + std::to_string(i)));
            addresses.push_back(address_of(cluster.host(i).add(*pods.back(), config())));
        }
    }
    virtual std::string config() const { return cluster.config(); }

    Cluster cluster{3};
    std::vector<std::unique_ptr<Pod>> pods;
    std::vector<std::string> addresses;
};

/// The same, of each topology.
class AnyMesh : public Mesh, public ::testing::WithParamInterface<const char*> {
  protected:
    std::string config() const override {
        return Cluster::config(cluster.nodes(), {{"topology", GetParam()}});
    }
};
INSTANTIATE_TEST_SUITE_P(Of, AnyMesh, ::testing::Values("pairs", "shared"),
                         [](const auto& topology) { return std::string(topology.param); });

TEST_P(AnyMesh, LetsEveryPodReachEveryPodAndEveryEndpoint) {
    const std::vector<std::string> endpoints{"10.10.100.10", "10.10.200.10", "10.10.3.1"};
    for (std::size_t from = 0; from < pods.size(); ++from)
        for (std::size_t to = 0; to < pods.size(); ++to) {
            if (from != to) {
                EXPECT_TRUE(reaches(pods[from]->net, addresses[to])) << from << " to " << to;
            }
            EXPECT_TRUE(reaches(pods[from]->net, endpoints[to])) << from << " to endpoint " << to;
        }
}

TEST_P(AnyMesh, LetsEveryHostReachEveryPodAndShowsItsEndpointToThem) {
    const std::vector<std::string> endpoints{"10.10.100.10", "10.10.200.10", "10.10.3.1"};
    for (int host = 1; host <= cluster.size(); ++host)
        for (std::size_t pod = 0; pod < pods.size(); ++pod)
            EXPECT_EQ(seen_source(cluster.host(host).net(), pods[pod]->net, addresses[pod]),
                      endpoints[static_cast<std::size_t>(host - 1)])
                << "host " << host << " to pod " << pod;
}

// A node answers a pod, through the tunnel, from the address that it was asked at; and programs
// are bound to it.
TEST_P(AnyMesh, LetsPodsAndTheNodesOwnAddressesReachEachOther) {
    for (const char* node : {"172.16.5.127", "172.16.5.128"})
        EXPECT_TRUE(reaches(pods[0]->net, node)) << node;
    EXPECT_TRUE(reaches(cluster.host(2).net(), "-I 172.16.5.127 " + addresses[0]));
    EXPECT_TRUE(reaches(cluster.host(1).net(), "-I 172.16.5.126 " + addresses[2]));
}

TEST_F(Mesh, GivesAPodTheAddressThatTheRuntimeAsksFor) {
    const Host& host = cluster.host(1);
    const Pod pod("asks");
    const Output output = host.call({.verb = "ADD",
                                     .config = cluster.config(),
                                     .container = pod.id,
                                     .netns = pod.net.path(),
                                     .args = "IgnoreUnknown=1;IP=10.10.100.77"});
    ASSERT_EQ(output.status, 0) << output.out;
    EXPECT_EQ(address_of(Json::parse(output.out)), "10.10.100.77");
    EXPECT_TRUE(reaches(cluster.host(2).net(), "10.10.100.77"));
    host.del(pod, cluster.config());
}

TEST_P(AnyMesh, ShowsAPodsOwnAddressToTheOther) {
    EXPECT_EQ(seen_source(pods[0]->net, pods[1]->net, addresses[1]), addresses[0]);
    EXPECT_EQ(seen_source(pods[2]->net, pods[0]->net, addresses[0]), addresses[2]);
}

TEST_F(Mesh, HasOnePointToPointDeviceForEachPeerAsTheContractDescribesIt) {
    const auto shown = cluster.host(1).net().ip("link show\naddress show\nroute show\n");
    const Json link = find(shown.at(0), "ifname", "ipip-ac10057f");
    EXPECT_EQ(link.at("linkinfo").at("info_kind"), "ipip");
    EXPECT_EQ(link.at("linkinfo").at("info_data").at("local"), "172.16.5.126");
    EXPECT_EQ(link.at("linkinfo").at("info_data").at("remote"), "172.16.5.127");
    EXPECT_EQ(link.at("linkinfo").at("info_data").at("ttl"), 64);
    EXPECT_EQ(link.at("linkinfo").at("info_data").at("pmtudisc"), true);
    EXPECT_EQ(link.at("mtu"), 1480);
    EXPECT_EQ(link.at("ifalias"), "podnet/host2");
    const Json addresses_of_device = find(shown.at(1), "ifname", "ipip-ac10057f").at("addr_info");
    ASSERT_EQ(addresses_of_device.size(), 1U);
    EXPECT_EQ(addresses_of_device[0].at("local"), "10.10.100.10");
    EXPECT_EQ(addresses_of_device[0].at("address"), "10.10.200.10");
    const Json route = find(shown.at(2), "dst", "10.10.200.0/24");
    EXPECT_EQ(route.at("dev"), "ipip-ac10057f");
    EXPECT_EQ(route.at("prefsrc"), "10.10.100.10");
    EXPECT_EQ(route.at("protocol"), "94");
    EXPECT_EQ(find(shown.at(2), "dst", "10.10.3.0/24").at("dev"), "ipip-ac100580");
}

TEST_F(Mesh, GivesThePodAHostAddressAndADefaultRouteThroughTheEndpoint) {
    const auto shown = pods[0]->net.ip("address show dev eth0\nroute show\nneighbour show\n");
    const Json device = shown.at(0).at(0);
    EXPECT_EQ(device.at("mtu"), 1480);
    ASSERT_EQ(device.at("addr_info").size(), 1U);
    EXPECT_EQ(device.at("addr_info")[0].at("local"), addresses[0]);
    EXPECT_EQ(device.at("addr_info")[0].at("prefixlen"), 32);
    ASSERT_EQ(shown.at(1).size(), 2U);
    EXPECT_EQ(find(shown.at(1), "dst", "default").at("gateway"), "10.10.100.10");
    EXPECT_EQ(find(shown.at(1), "dst", "10.10.100.10").at("scope"), "link");
    const Json neighbour = find(shown.at(2), "dst", "10.10.100.10");
    EXPECT_EQ(neighbour.at("state"), Json::array({"PERMANENT"}));
}

TEST_P(AnyMesh, CarriesTcpInFullSizeSegments) {
    const Transfer done = transfer(pods[0]->net, pods[1]->net, addresses[1], 1 << 20);
    EXPECT_EQ(done.received, 1U << 20);
    EXPECT_EQ(done.segment, 1480 - 20 - 20 - 12); // less the headers of IP and TCP, with timestamps
}

/// The IPv4 packets that pass a device of `space` while `act` runs.
std::vector<std::vector<unsigned char>> packets_on(const Namespace& space, const char* device,
                                                   const std::function<void()>& act) {
    const int fd = space.in([&] {
        // A bridge takes its ports' packets before those who wait for one protocol see them.
        const int opened = ::socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
        sockaddr_ll where{};
        where.sll_family = AF_PACKET;
        where.sll_protocol = htons(ETH_P_ALL);
        where.sll_ifindex = static_cast<int>(::if_nametoindex(device));
        ::bind(opened, reinterpret_cast<const sockaddr*>(&where), sizeof where);
        return opened;
    });
    act();
    std::vector<std::vector<unsigned char>> packets;
    std::vector<unsigned char> packet(2000);
    sockaddr_ll from{};
    socklen_t length = sizeof from;
    for (ssize_t size = 0; (size = ::recvfrom(fd, packet.data(), packet.size(), MSG_DONTWAIT,
                                              reinterpret_cast<sockaddr*>(&from), &length)) > 0;)
        if (from.sll_protocol == htons(ETH_P_IP))
            packets.emplace_back(packet.begin(), packet.begin() + size);
    ::close(fd);
    return packets;
}

std::string address_at(const std::vector<unsigned char>& packet, std::size_t offset) {
    std::string text;
    for (std::size_t i = 0; i < 4; ++i)
        text += (i == 0 ? "" : ".") + std::to_string(packet.at(offset + i));
    return text;
}

TEST_P(AnyMesh, PutsProtocol4OnTheWireWithThePodsPacketInside) {
    const auto packets = packets_on(cluster.wire(), "port1",
                                    [&] { EXPECT_TRUE(reaches(pods[0]->net, addresses[1])); });
    bool seen = false;
    for (const auto& packet : packets) {
        if (packet.at(16) >= 224) // multicast: a bridge joins groups of its own by IGMP
            continue;
        ASSERT_EQ(packet.at(9), IPPROTO_IPIP) << "only tunnelled packets pass between the hosts";
        seen = seen ||
               (address_at(packet, 12) == "172.16.5.126" &&
                address_at(packet, 16) == "172.16.5.127" && packet.at(20 + 9) == IPPROTO_ICMP &&
                address_at(packet, 32) == addresses[0] && address_at(packet, 36) == addresses[1]);
        EXPECT_EQ(packet.at(6) & 0x40, 0x40) << "the outer header bears Don't Fragment";
    }
    EXPECT_TRUE(seen);
}

TEST(MeshOfOne, WorksWithoutPeersAndWithoutTunnels) {
    Cluster cluster(1);
    const Pod first("first");
    const Pod second("second");
    const std::string config = cluster.config();
    cluster.host(1).add(first, config);
    const std::string two = address_of(cluster.host(1).add(second, config));
    EXPECT_TRUE(reaches(first.net, two));
    EXPECT_EQ(seen_source(cluster.host(1).net(), second.net, two), "10.10.100.10");
    const auto shown = cluster.host(1).net().ip("link show\n");
    for (const Json& link : shown.at(0))
        EXPECT_FALSE(link.at("ifname").get<std::string>().starts_with("ipip-")) << link;
}

TEST(MeshOfOne, AnswersThatAPodDoesNotExistInsteadOfSendingItsPacketsAway) {
    Cluster cluster(1);
    const Pod pod("pod");
    cluster.host(1).add(pod, cluster.config());
    const Output output = cluster.host(1).net().run("ip route get 10.10.100.99");
    EXPECT_NE(output.status, 0);
    EXPECT_THAT(output.err, ::testing::HasSubstr("No route to host"));
}

TEST(MeshMtu, FollowsTheRouteToEachPeer) {
    Cluster cluster(3, 9000);
    cluster.host(1).net().ip("route add 172.16.5.128/32 dev eth0 mtu 1400\n");
    const Pod pod("pod");
    cluster.host(1).add(pod, cluster.config());
    const auto shown =
        cluster.host(1).net().ip("link show dev ipip-ac10057f\nlink show dev ipip-ac100580\n");
    EXPECT_EQ(shown.at(0).at(0).at("mtu"), 8980);
    EXPECT_EQ(shown.at(1).at(0).at("mtu"), 1380);
    EXPECT_EQ(pod.net.ip("link show dev eth0\n").at(0).at(0).at("mtu"), 1380);
}

} // namespace
} // namespace scene
