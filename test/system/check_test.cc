#include "test/system/cluster.h"

#include <gmock/gmock.h>

namespace scene {
namespace {

using ::testing::HasSubstr;

/// The first of three hosts, with a pod; host2 is behind ipip-ac10057f.
class CheckOfTunnels : public ::testing::Test {
  protected:
    Output check() const {
        return host.call(
            {.verb = "CHECK",
             .config = Cluster::config(cluster.nodes(), {{"prevResult", result}, {"ipMasq", true}}),
             .container = pod.id,
             .netns = pod.net.path()});
    }

    void expect_named(const std::function<void()>& damage, const std::vector<std::string>& named) {
        SCOPED_TRACE(named.front());
        EXPECT_EQ(check().status, 0) << check().out;
        damage();
        const Json before = host.net().state();
        const Refused refused = refusal_of(check());
        EXPECT_TRUE(is_unchanged(host.net(), before));
        EXPECT_EQ(refused.code, 106);
        for (const std::string& part : named)
            EXPECT_THAT(refused.message, HasSubstr(part));
        EXPECT_THAT(refused.message, HasSubstr("the next ADD"));
        const Pod next("next");
        host.add(next, config);
        EXPECT_EQ(check().status, 0) << check().out;
        host.del(next, config);
    }

    /// `damage` is commands of ip(8), one a line.
    void expect_named(const std::string& damage, const std::vector<std::string>& named) {
        expect_named([&] { host.net().ip(damage); }, named);
    }

    Cluster cluster{3};
    Host& host = cluster.host(1);
    Pod pod{"pod"};
    std::string config = Cluster::config(cluster.nodes(), {{"ipMasq", true}});
    Json result = host.add(pod, config);
};

TEST_F(CheckOfTunnels, NamesWhatIsBrokenAndTheNextAddMendsIt) {
    expect_named("link delete ipip-ac10057f\n", {"tunnel ipip-ac10057f", "missing"});
    expect_named("link set ipip-ac10057f down\n", {"tunnel ipip-ac10057f", "down"});
    expect_named("link set ipip-ac10057f mtu 1400\n", {"tunnel ipip-ac10057f", "MTU 1480"});
    expect_named("link set ipip-ac10057f type ipip local 172.16.5.126 remote 172.16.5.127 ttl 9\n",
                 {"tunnel ipip-ac10057f", "not as it was made"});
    expect_named("address flush dev ipip-ac10057f\n", {"10.10.100.10 on ipip-ac10057f", "missing"});
    expect_named("route delete 10.10.200.0/24\n", {"10.10.200.0/24 to ipip-ac10057f", "missing"});
    expect_named("route replace 10.10.200.0/24 via 172.16.5.127 proto 94\n",
                 {"10.10.200.0/24 to ipip-ac10057f", "wrong"});
    expect_named("route add 10.99.0.0/24 dev ipip-ac10057f proto 94\n",
                 {"10.99.0.0/24", "left over"});
    expect_named("link add ipip-ac1005ff type ipip local 172.16.5.126 remote 172.16.5.255\n"
                 "link set ipip-ac1005ff alias podnet/gone addrgenmode none up\n",
                 {"tunnel ipip-ac1005ff", "left over"});
}

TEST_F(CheckOfTunnels, NamesTheSettingsThatAreOff) {
    for (const char* key : {"forwarding", "rp_filter"})
        expect_named(
            [&] { host.net().set_sysctl(std::string("net/ipv4/conf/ipip-ac10057f/") + key, "0"); },
            {"ipip-ac10057f", key == std::string("forwarding") ? "forwarding" : "source check"});
}

TEST_F(CheckOfTunnels, NamesAPodThatSendsMoreThanTheyCarry) {
    host.net().ip("link set eth0 mtu 1400\n");
    const Pod next("next");
    host.add(next, config); // and does not notice
    const Refused tunnel = refusal_of(check());
    EXPECT_THAT(tunnel.message, HasSubstr("MTU 1380"));
    const Pod other("other");
    host.add(other, config);
    const Refused refused = refusal_of(check());
    EXPECT_EQ(refused.code, 106);
    EXPECT_THAT(refused.message, HasSubstr("ip link set eth0 mtu 1380"));
    pod.net.ip("link set eth0 mtu 1380\n");
    EXPECT_EQ(check().status, 0) << check().out;
}

} // namespace
} // namespace scene
