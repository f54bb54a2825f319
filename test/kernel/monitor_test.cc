#include "netlink/monitor.h"

#include "netlink/pod_link.h"
#include "netlink/route.h"
#include "test/kernel/scene.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

namespace netlink {
namespace {

using scene::Namespace;
using testing::IsEmpty;
using testing::SizeIs;

class MonitorTest : public testing::Test {
  protected:
    MonitorTest() {
        host_.ip("link add u0 type veth peer name p0\n"
                 "link set u0 up\n"
                 "address add 10.10.100.10/32 dev lo\n"
                 "address add 172.16.5.126/24 dev u0\n"
                 "route add unreachable 10.10.100.0/24 metric 4096 proto 94\n");
        (void)monitor_.take();
    }

    Namespace host_;
    Namespace pod_;
    const PodLink link_{.host_name = "veth0123456789a",
                        .alias = "podnet: default/web eth0",
                        .pod_name = "eth0",
                        .host_mac = ip::Mac::parse("0a:58:0a:0a:64:01"),
                        .pod_mac = ip::Mac::parse("0a:58:0a:0a:64:02"),
                        .mtu = 1480,
                        .addresses = {ip::Address::parse("10.10.100.11")},
                        .gateways = {ip::Address::parse("10.10.100.10")},
                        .routes = {{.destination = ip::Cidr::parse("0.0.0.0/0")}}};
    scene::Visit here_{host_};
    Monitor monitor_;
    Socket socket_;
};

TEST_F(MonitorTest, IsNotWokenByPodsThatComeAndGo) {
    Pod target{Netns::open(pod_.path())};
    for (int i = 0; i < 3; ++i) {
        attach(socket_, target, link_);
        EXPECT_FALSE(monitor_.take().any) << "it came";
        ASSERT_TRUE(detach(socket_, link_.host_name));
        EXPECT_FALSE(monitor_.take().any) << "it went";
    }
}

TEST_F(MonitorTest, HearsOfAPodsLinkThatSomeoneTakesDown) {
    Pod target{Netns::open(pod_.path())};
    attach(socket_, target, link_);
    (void)monitor_.take();
    host_.ip("link set veth0123456789a down\n");
    EXPECT_TRUE(monitor_.take().any);
    EXPECT_FALSE(monitor_.take().any) << "it was told";
    host_.ip("link set veth0123456789a up\n");
    EXPECT_FALSE(monitor_.take().any) << "nor is it told that it is mended";
}

// Found by the faults of the agent, which ended.
TEST_F(MonitorTest, TakesALinkForDownThatItCannotAskFor) {
    Pod target{Netns::open(pod_.path())};
    attach(socket_, target, link_);
    (void)monitor_.take();
    host_.ip("link set veth0123456789a down\n");
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlimit none{0, limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const Monitor::News news = monitor_.take();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_TRUE(news.any);
}

TEST_F(MonitorTest, HearsOfWhatOthersChange) {
    for (const char* change :
         {"address delete 10.10.100.10/32 dev lo", "route add 10.10.200.0/24 dev u0",
          "route delete 10.10.200.0/24", "link set u0 mtu 1400", "link add d0 type bridge",
          "link set d0 up", "link delete d0"}) {
        host_.ip(std::string(change) + '\n');
        EXPECT_TRUE(monitor_.take().any) << change;
        EXPECT_FALSE(monitor_.take().any) << "it was told";
    }
    host_.set_sysctl("net/ipv4/conf/u0/forwarding", "1");
    EXPECT_TRUE(monitor_.take().any);
}

TEST_F(MonitorTest, HearsOfAPodsRouteOnlyWhereSomebodyDeletesIt) {
    host_.ip("route add 10.10.100.7/32 dev u0 proto 94\n");
    EXPECT_FALSE(monitor_.take().any);
    host_.ip("route delete 10.10.100.7/32\n");
    EXPECT_TRUE(monitor_.take().any);
}

TEST_F(MonitorTest, KnowsWhoChangedRoutesAndRules) {
    host_.ip("route delete unreachable 10.10.100.0/24 metric 4096\n");
    EXPECT_THAT(monitor_.take().processes, SizeIs(1));
    ASSERT_EQ(host_.run("nft add table inet ipip-cni").status, 0);
    EXPECT_THAT(monitor_.take().processes, SizeIs(1));
    ASSERT_EQ(host_.run("nft add chain inet ipip-cni another").status, 0);
    EXPECT_THAT(monitor_.take().processes, SizeIs(1));
    ASSERT_EQ(host_.run("nft flush ruleset").status, 0);
    EXPECT_THAT(monitor_.take().processes, SizeIs(1));
}

// As kube-proxy does every second.
TEST_F(MonitorTest, PassesOverOthersRules) {
    for (const char* what :
         {"table inet another", "chain inet another rules", "rule inet another rules drop",
          "set inet another marks { type mark; }"})
        ASSERT_EQ(host_.run(std::string("nft add ") + what).status, 0) << what;
    ASSERT_EQ(host_.run("nft delete table inet another").status, 0);
    // Other news may come, of nobody: that a link of the host has a carrier.
    EXPECT_THAT(monitor_.take().processes, IsEmpty());
}

TEST_F(MonitorTest, DoesNotSuspectItself) {
    std::vector<Request> requests;
    requests.push_back(add_route(
        {.destination = ip::Cidr::parse("10.10.200.0/24"), .link = 1, .protocol = own_protocol}));
    socket_.run(requests);
    const Monitor::News news = monitor_.take();
    EXPECT_TRUE(news.any);
    EXPECT_THAT(news.processes, IsEmpty());
}

} // namespace
} // namespace netlink
