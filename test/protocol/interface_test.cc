#include "test/system/cluster.h"

#include <array>
#include <gmock/gmock.h>

namespace scene {
namespace {

using ::testing::HasSubstr;

/// A pod with several interfaces in the same network, and one who calls it from outside.
class Interfaces : public ::testing::Test {
  protected:
    void SetUp() override {
        cluster.wire().ip("address add 172.16.5.1/24 dev br0\n"
                          "route add 10.10.100.0/24 via 172.16.5.126\n");
    }

    Call call(const char* verb, const char* interface, const Json& previous = nullptr) const {
        const Json more = previous.is_null() ? Json::object() : Json{{"prevResult", previous}};
        return {.verb = verb,
                .config = Cluster::config(cluster.nodes(), more),
                .container = pod.id,
                .netns = pod.net.path(),
                .interface = interface};
    }
    void add(const char* interface) {
        const Output output = host.call(call("ADD", interface));
        ASSERT_EQ(output.status, 0) << output.out;
        results[interface] = Json::parse(output.out);
    }
    void del(const char* interface) {
        const Output output = host.call(call("DEL", interface));
        EXPECT_EQ(output.status, 0) << output.out;
        results.erase(interface);
    }
    Output check(const char* interface) const {
        return host.call(call("CHECK", interface, results.at(interface)));
    }

    /// What every interface must do, whichever others there are.
    void expect_all_work() const {
        for (const auto& [interface, result] : results) {
            const std::string address = address_of(result);
            EXPECT_TRUE(reaches(host.net(), address)) << interface << " from the host";
            EXPECT_TRUE(reaches(cluster.wire(), address)) << interface << " from outside";
            const Output output = check(interface.c_str());
            EXPECT_EQ(output.status, 0) << interface << ": " << output.out;
            const std::string link = link_of(result);
            EXPECT_EQ(host.net().sysctl("net/ipv4/conf/" + link + "/rp_filter"), "1");
        }
    }

    Cluster cluster{1};
    Host& host = cluster.host(1);
    Pod pod{"pod"};
    std::map<std::string, Json> results;
};

TEST_F(Interfaces, OfOnePodAllAnswerFromOutside) {
    for (const char* interface : {"eth0", "net1", "net2"}) {
        add(interface);
        expect_all_work();
    }
}

TEST_F(Interfaces, LeaveTheOthersAsTheyWereWhicheverGoesFirst) {
    for (const std::array<const char*, 3>& order :
         {std::array{"net1", "net2", "eth0"}, {"net2", "eth0", "net1"}, {"eth0", "net1", "net2"}}) {
        const Json outside = host.net().state();
        const Json inside = pod.net.state();
        for (const char* interface : {"eth0", "net1", "net2"})
            add(interface);
        for (const char* interface : order) {
            del(interface);
            expect_all_work();
        }
        EXPECT_TRUE(is_unchanged(host.net(), outside));
        EXPECT_TRUE(is_unchanged(pod.net, inside));
    }
}

TEST_F(Interfaces, OfWhichOneGoesLeaveThePodAsItWasBeforeThatCame) {
    add("eth0");
    const Json outside = host.net().state();
    const Json inside = pod.net.state();
    add("net1");
    del("net1");
    EXPECT_TRUE(is_unchanged(host.net(), outside));
    EXPECT_TRUE(is_unchanged(pod.net, inside));
}

TEST_F(Interfaces, MayComeAgainWhileTheOthersStay) {
    for (const char* interface : {"eth0", "net1"})
        add(interface);
    for (const char* interface : {"eth0", "net1", "eth0"}) {
        del(interface);
        add(interface);
        expect_all_work();
    }
}

TEST_F(Interfaces, BehindTheFirstHaveTheirDefaultRouteInATableThatTheResultNames) {
    for (const char* interface : {"eth0", "net1"})
        add(interface);
    EXPECT_FALSE(results["eth0"].at("routes").at(0).contains("table"));
    const Json route = results["net1"].at("routes").at(0);
    EXPECT_EQ(route.at("dst"), "0.0.0.0/0");
    const std::string table = std::to_string(route.at("table").get<int>());
    const auto shown = pod.net.ip("route show table " + table + "\nrule show\n");
    EXPECT_EQ(find(shown.at(0), "dst", "default").at("dev"), "net1");
    EXPECT_EQ(find(shown.at(1), "src", address_of(results["net1"])).at("table"), table);
}

TEST_F(Interfaces, WhoseRuleIsGoneAreFoundByCheck) {
    for (const char* interface : {"eth0", "net1"})
        add(interface);
    const std::string address = address_of(results["net1"]);
    pod.net.ip("rule delete from " + address + "\n");
    EXPECT_EQ(refusal_of(check("net1")).code, 106);
    EXPECT_THAT(refusal_of(check("net1")).message, HasSubstr("rule for packets from " + address));
    EXPECT_EQ(check("eth0").status, 0) << check("eth0").out;
}

TEST_F(Interfaces, WhoseRoutesALaterPluginMovedNeedNoRuleOfOurs) {
    for (const char* interface : {"eth0", "net1"})
        add(interface);
    const std::string address = address_of(results["net1"]);
    const std::string table =
        std::to_string(results["net1"].at("routes").at(0).at("table").get<int>());
    pod.net.ip("rule delete from " + address + "\nroute flush table " + table +
               "\n"
               "route add 10.10.100.10/32 dev net1 table 100\n"
               "route add default via 10.10.100.10 dev net1 table 100\n"
               "rule add from " +
               address + " table 100\n");
    EXPECT_EQ(check("net1").status, 0) << check("net1").out;
}

TEST(SecondNetwork, IsRefusedWithTheFirstOnesNameAndDoesItNoHarm) {
    Cluster cluster(1);
    const Host& host = cluster.host(1);
    const Pod first("first"), pod("pod");
    const std::string address = address_of(host.add(first, cluster.config()));
    Json other = cluster.nodes();
    other[0]["podCIDRs"] = {"10.20.1.0/24"};
    other[0].erase("tunnelAddresses");
    const Json before = host.net().state();
    const Json inside = pod.net.state();
    for (const Json& nodes : {cluster.nodes(), other}) {
        const std::string config = Cluster::config(nodes, {{"name", "second"}});
        const Refused refused = refusal_of(host.call(
            {.verb = "ADD", .config = config, .container = pod.id, .netns = pod.net.path()}));
        EXPECT_EQ(refused.code, 103);
        EXPECT_THAT(refused.message, HasSubstr("\"podnet\""));
        host.del(pod, config); // as runtimes do after a failed ADD
        EXPECT_TRUE(is_unchanged(host.net(), before));
        EXPECT_TRUE(is_unchanged(pod.net, inside));
    }
    EXPECT_TRUE(reaches(host.net(), address));
    host.del(first, cluster.config());
    host.add(pod, Cluster::config(other, {{"name", "second"}})); // now there is room
}

} // namespace
} // namespace scene
