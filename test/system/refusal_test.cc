#include "test/system/cluster.h"
#include "test/system/modules.h"

#include <array>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <unistd.h>

namespace scene {
namespace {

using ::testing::HasSubstr;

/// Each of these ADDs is refused and changes nothing, in the host or in the pod.
class Refusal : public ::testing::Test {
  protected:
    /// The error's message, after what every refusal must keep has been checked.
    std::string refused(const Call& call, int code) {
        const Json before = host.net().state();
        const Json inside = pod.net.state();
        const Output output = host.call(call);
        EXPECT_EQ(output.status, 1) << output.out << output.err;
        EXPECT_TRUE(is_unchanged(host.net(), before));
        EXPECT_TRUE(is_unchanged(pod.net, inside));
        const Json error = Json::parse(output.out, nullptr, false);
        EXPECT_TRUE(error.is_object()) << output.out;
        EXPECT_EQ(error.value("code", 0), code) << output.out;
        return error.value("msg", "");
    }

    Call add(const std::string& config) {
        return {.verb = "ADD", .config = config, .container = pod.id, .netns = pod.net.path()};
    }

    Cluster cluster{2};
    Host& host = cluster.host(1);
    Pod pod{"pod"};
};

TEST_F(Refusal, OfANamespaceThatDoesNotExist) {
    Call call = add(cluster.config());
    call.netns = "/run/netns/absent";
    EXPECT_THAT(refused(call, 4), AllOf(HasSubstr("CNI_NETNS"), HasSubstr("/run/netns/absent")));
}

TEST_F(Refusal, OfAFileThatIsNoNamespace) {
    Call call = add(cluster.config());
    call.netns = "/etc/hostname";
    EXPECT_THAT(refused(call, 4), AllOf(HasSubstr("CNI_NETNS"), HasSubstr("/etc/hostname")));
    call.netns = "/proc/self/ns/uts";
    EXPECT_THAT(refused(call, 4), HasSubstr("not a network namespace"));
}

TEST_F(Refusal, OfTheHostsOwnNamespace) {
    Call call = add(cluster.config());
    call.netns = host.net().path();
    EXPECT_THAT(refused(call, 4), HasSubstr("host's own"));
}

TEST_F(Refusal, OfAnInterfaceThatIsThereAlready) {
    pod.net.ip("link add eth0 type bridge\n");
    EXPECT_THAT(refused(add(cluster.config()), 105),
                AllOf(HasSubstr("CNI_IFNAME"), HasSubstr("eth0")));
}

TEST_F(Refusal, OfASecondAddWhichLeavesTheFirstOneUnharmed) {
    const std::string address = address_of(host.add(pod, cluster.config()));
    refused(add(cluster.config()), 105);
    EXPECT_TRUE(reaches(host.net(), address));
}

TEST_F(Refusal, OfANodeListWithoutThisHost) {
    Json others = cluster.nodes();
    others[0]["addresses"] = {"172.16.5.99"};
    EXPECT_THAT(refused(add(Cluster::config(others)), 7), HasSubstr("nodes"));
}

TEST_F(Refusal, OfANodeListWithThisHostTwice) {
    host.net().ip("address add 172.16.5.200/24 dev eth0\n");
    Json twice = cluster.nodes();
    twice.push_back(
        {{"name", "again"}, {"addresses", {"172.16.5.200"}}, {"podCIDRs", {"10.10.7.0/24"}}});
    EXPECT_THAT(refused(add(Cluster::config(twice)), 7),
                AllOf(HasSubstr("host1"), HasSubstr("again")));
}

TEST_F(Refusal, OfANodeNameWhoseAddressIsElsewhere) {
    EXPECT_THAT(refused(add(Cluster::config(cluster.nodes(), {{"nodeName", "host2"}})), 103),
                HasSubstr("172.16.5.127"));
}

TEST_F(Refusal, WhereAForeignTunnelJoinsTheSameAddresses) {
    host.net().ip("link add mine type ipip local 172.16.5.126 remote 172.16.5.127\n");
    EXPECT_THAT(refused(add(cluster.config()), 103), HasSubstr("mine"));
}

TEST_F(Refusal, WhereAForeignRouteLeadsToAPeersPods) {
    host.net().ip("route add 10.10.200.0/24 via 172.16.5.127\n");
    EXPECT_THAT(refused(add(cluster.config()), 103), HasSubstr("10.10.200.0/24"));
}

TEST_F(Refusal, OfASecondNetworkWithOtherTunnelsWhichLeavesTheFirstUnharmed) {
    const Pod first("first");
    const std::string address = address_of(host.add(first, cluster.config()));
    Json other = cluster.nodes();
    other[0]["podCIDRs"] = {"10.20.1.0/24"};
    other[0].erase("tunnelAddresses");
    EXPECT_THAT(refused(add(Cluster::config(other, {{"name", "second"}})), 103),
                HasSubstr("podnet"));
    EXPECT_TRUE(reaches(host.net(), address));
    host.del(first, cluster.config());
}

TEST_F(Refusal, WhenNoAddressIsLeftNamesTheRange) {
    Json small = cluster.nodes();
    small[0]["podCIDRs"] = {"10.10.100.8/30"}; // .9 and .10, of which the endpoint is one
    const Pod first("first");
    host.add(first, Cluster::config(small));
    EXPECT_THAT(refused(add(Cluster::config(small)), 101), HasSubstr("10.10.100.9"));
    host.del(first, Cluster::config(small));
    host.add(pod, Cluster::config(small)); // what was given back can be had
    host.del(pod, Cluster::config(small));
}

TEST_F(Refusal, OfAnAddressOutsideTheNodesRanges) {
    Call call = add(cluster.config());
    call.args = "IP=10.10.200.77";
    EXPECT_THAT(refused(call, 102), AllOf(HasSubstr("10.10.200.77"), HasSubstr("10.10.100.1")));
}

TEST_F(Refusal, WhenTheResultCannotBeWritten) {
    Call call = add(cluster.config());
    call.prepare = [] { ::dup2(::open("/dev/full", O_WRONLY), STDOUT_FILENO); };
    const Json before = host.net().state();
    const Output output = host.call(call);
    EXPECT_EQ(output.status, 1);
    EXPECT_THAT(output.err, HasSubstr("standard output"));
    EXPECT_TRUE(is_unchanged(host.net(), before));
}

TEST_F(Refusal, WhenNobodyReadsTheResultAnyMore) {
    Call call = add(cluster.config());
    call.prepare = [] {
        std::array<int, 2> ends{};
        if (::pipe(ends.data()) != 0)
            ::_exit(126);
        ::close(ends[0]);
        ::dup2(ends[1], STDOUT_FILENO);
    };
    const Json before = host.net().state();
    EXPECT_EQ(host.call(call).status, 1);
    EXPECT_TRUE(is_unchanged(host.net(), before));
}

TEST_F(Refusal, WithoutPermission) {
    Call call = add(cluster.config());
    call.prepare = [] {
        if (::setgroups(0, nullptr) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0)
            ::_exit(126);
    };
    const Json before = host.net().state();
    const Output output = host.call(call);
    EXPECT_EQ(output.status, 1) << output.out << output.err;
    EXPECT_THAT(Json::parse(output.out).at("msg").get<std::string>(), HasSubstr("root"));
    EXPECT_TRUE(is_unchanged(host.net(), before));
}

TEST_F(Refusal, ByAKernelWithoutIpipSaysHowToGetIt) {
    if (!unload("ipip"))
        GTEST_SKIP() << "ipip is built into this kernel or in use outside the test";
    const std::string message = [&] {
        const ModulesRefused here;
        return refused(add(cluster.config()), 104);
    }();
    EXPECT_THAT(message, HasSubstr("modprobe ipip"));
    host.add(pod, cluster.config()); // and with the module it is loaded by the ADD itself
    host.del(pod, cluster.config());
}

} // namespace
} // namespace scene
