#include "test/system/cluster.h"

#include <fstream>
#include <gmock/gmock.h>

// `ipip-ipam` called directly, as an interface plugin calls it.

namespace scene {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Ipam : public ::testing::Test {
  protected:
    Output call(const char* verb, const std::string& container, const Json& more = Json::object(),
                const std::string& args = {}) const {
        Json config{{"cniVersion", "1.1.0"},
                    {"name", "net"},
                    {"type", "bridge"},
                    {"ipam", {{"type", "ipip-ipam"}, {"subnet", "10.1.2.0/29"}}}};
        config.update(more, true);
        return host.call({.verb = verb,
                          .config = config.dump(),
                          .container = container,
                          .netns = pod.net.path(),
                          .args = args,
                          .program = "ipip-ipam"});
    }
    std::string add(const std::string& container, const Json& more = Json::object(),
                    const std::string& args = {}) const {
        const Output output = call("ADD", container, more, args);
        EXPECT_EQ(output.status, 0) << output.out << output.err;
        return output.status == 0 ? address_of(Json::parse(output.out)) : "";
    }
    void expect_done(const Output& output) const {
        EXPECT_EQ(output.status, 0) << output.out << output.err;
        EXPECT_EQ(output.out, "");
    }
    void fill() const { // .1 is the gateway, .7 the broadcast
        for (const char* container : {"a", "b", "c", "d", "e"})
            add(container);
    }

    Host host{"host"};
    Pod pod{"pod"};
};

TEST_F(Ipam, SaysWhenAllAreLeased) {
    expect_done(call("STATUS", ""));
    fill();
    const Refused refused = refusal_of(call("ADD", "f"));
    EXPECT_EQ(refused.code, 101);
    EXPECT_THAT(refused.message,
                AllOf(StartsWith("no free address in 10.1.2.1 - 10.1.2.6 of network \"net\""),
                      HasSubstr("5 leased, 1 reserved"), HasSubstr("; give the network more")));
    const Refused status = refusal_of(call("STATUS", ""));
    EXPECT_EQ(status.code, 50);
    EXPECT_EQ(status.message, refused.message);
    expect_done(call("DEL", "c"));
    expect_done(call("STATUS", ""));
    EXPECT_EQ(add("f"), "10.1.2.4");
}

TEST_F(Ipam, GivesAllSetsOrNone) {
    fill();
    const Json sets{{"ipam", {{"ranges", {{{{"subnet", "fd00::/64"}}}}}}}};
    EXPECT_EQ(refusal_of(call("ADD", "f", sets)).code, 101);
    EXPECT_EQ(refusal_of(call("CHECK", "f")).code, 106);
}

TEST_F(Ipam, NamesWhoHoldsTheAddressThatIsAskedFor) {
    EXPECT_EQ(add("a", Json::object(), "IP=10.1.2.5"), "10.1.2.5");
    const Refused refused = refusal_of(call("ADD", "b", Json::object(), "IP=10.1.2.5"));
    EXPECT_EQ(refused.code, 102);
    EXPECT_EQ(refused.message,
              "10.1.2.5 is held by interface eth0 of container a; ask for another");
}

TEST_F(Ipam, PassesOverWhatTheKernelHasAHostRouteFor) {
    host.net().ip("route add 10.1.2.2/32 dev lo\n"); // as a pod's whose lease is lost
    EXPECT_EQ(add("a"), "10.1.2.3");
    const Refused refused = refusal_of(call("ADD", "b", Json::object(), "IP=10.1.2.2"));
    EXPECT_EQ(refused.code, 102);
    EXPECT_EQ(refused.message, "10.1.2.2 is used by something else; ask for another");
}

TEST_F(Ipam, AnswersARepeatedAddWithWhatIsHeld) { // where host-local refuses it
    EXPECT_EQ(add("a"), "10.1.2.2");
    EXPECT_EQ(add("a"), "10.1.2.2");
    EXPECT_EQ(add("b"), "10.1.2.3");
}

TEST_F(Ipam, IsRightWhereHostLocalIsNot) {
    std::ofstream(host.state_dir().parent_path() / "resolv.conf")
        << "nameserver 10.96.0.10 # the cluster's\nsearch a.example\nsearch b.example\n";
    const Output output = call("ADD", "a",
                               {{"ipam",
                                 {{"rangeStart", "10.1.2.0"},            // no host's address
                                  {"routes", {{{"dst", "10.9.8.7/8"}}}}, // with host bits
                                  {"resolvConf", "/run/resolv.conf"}}}});
    ASSERT_EQ(output.status, 0) << output.out;
    const Json result = Json::parse(output.out);
    EXPECT_EQ(address_of(result), "10.1.2.2");
    EXPECT_EQ(result.at("routes"), Json::parse(R"([{"dst": "10.0.0.0/8"}])"));
    EXPECT_EQ(result.at("dns"),
              Json::parse(R"({"nameservers": ["10.96.0.10"], "search": ["b.example"]})"));
}

TEST_F(Ipam, PassesTheNewestRoutesOn) {
    const Json route = Json::parse(R"({"dst": "0.0.0.0/0", "gw": "10.1.2.1", "mtu": 1400,
                                       "advmss": 1360, "priority": 5, "table": 100, "scope": 0})");
    const Output output = call("ADD", "a", {{"ipam", {{"routes", {route}}}}});
    EXPECT_EQ(Json::parse(output.out).at("routes"), Json::array({route}));
    const Output older =
        call("ADD", "b", {{"cniVersion", "1.0.0"}, {"ipam", {{"routes", {route}}}}});
    EXPECT_EQ(Json::parse(older.out).at("routes"),
              Json::parse(R"([{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}])"));
}

TEST_F(Ipam, ChecksTheLeaseAgainstTheResult) {
    const Refused none = refusal_of(call("CHECK", "a"));
    EXPECT_EQ(none.code, 106);
    EXPECT_EQ(none.message, "no address is leased to interface eth0 of container a; delete the "
                            "container and add it again");
    add("a");
    expect_done(call("CHECK", "a"));
    const auto result = [](const char* address) {
        return Json{{"prevResult", {{"cniVersion", "1.1.0"}, {"ips", {{{"address", address}}}}}}};
    };
    expect_done(call("CHECK", "a", result("10.1.2.2/29")));
    const Refused refused = refusal_of(call("CHECK", "a", result("10.1.2.3/29")));
    EXPECT_EQ(refused.code, 106);
    EXPECT_THAT(refused.message, StartsWith("prevResult.ips: 10.1.2.2, which is leased to"));
}

TEST_F(Ipam, CollectsWhatIsNotValid) {
    fill();
    const auto valid = [](const char* key, const std::vector<const char*>& containers) {
        Json list = Json::array();
        for (const char* container : containers)
            list.push_back({{"containerID", container}, {"ifname", "eth0"}});
        list.push_back({{"containerID", "e"}, {"ifname", "eth1"}}); // which e does not hold
        return Json{{key, list}};
    };
    expect_done(call("GC", "", valid("cni.dev/valid-attachments", {"a", "c", "d"})));
    for (const char* container : {"a", "c", "d"})
        expect_done(call("CHECK", container));
    for (const char* container : {"b", "e"})
        EXPECT_EQ(refusal_of(call("CHECK", container)).code, 106) << container;
    expect_done(call("GC", "", valid("cni.dev/attachments", {"a"}))); // the draft's name
    EXPECT_EQ(refusal_of(call("CHECK", "c")).code, 106);
    // Without any list nothing is garbage.
    EXPECT_EQ(refusal_of(call("GC", "")).code, 7);
    expect_done(call("CHECK", "a"));
}

TEST_F(Ipam, KeepsNetworksInOneFolderApart) {
    const Json other{{"name", "other"}};
    fill();
    EXPECT_EQ(add("a", other), "10.1.2.2");
    expect_done(call("GC", "", {{"name", "other"}, {"cni.dev/valid-attachments", Json::array()}}));
    EXPECT_EQ(refusal_of(call("CHECK", "a", other)).code, 106);
    expect_done(call("CHECK", "a"));
    add("b", other);
    expect_done(call("DEL", "b", other));
    expect_done(call("CHECK", "b"));
    expect_done(call("STATUS", "", other));
    EXPECT_EQ(refusal_of(call("STATUS", "")).code, 50);
}

TEST_F(Ipam, KeepsItsLeasesWhereItIsTold) {
    const Json elsewhere{{"ipam", {{"dataDir", "/run/elsewhere/leases"}}}};
    EXPECT_EQ(add("a"), "10.1.2.2");
    EXPECT_EQ(add("b", elsewhere), "10.1.2.2");
    EXPECT_TRUE(std::filesystem::exists(host.state_dir().parent_path() / "elsewhere/leases"));
    const Refused refused =
        refusal_of(call("ADD", "c", {{"ipam", {{"dataDir", "/proc/nowhere"}}}}));
    EXPECT_EQ(refused.code, 5);
    EXPECT_THAT(refused.message, HasSubstr("/proc/nowhere"));
    EXPECT_EQ(refusal_of(call("STATUS", "", {{"ipam", {{"dataDir", "/proc/nowhere"}}}})).code, 50);
}

TEST_F(Ipam, DelFreesTheAddressThoughTheNamespaceIsGone) {
    const Json config{{"cniVersion", "1.1.0"}, {"name", "net"}, {"ipam", {{"type", "ipip-ipam"}}}};
    for (const char* netns : {"", "/run/netns/gone"}) {
        add("a");
        expect_done(host.call({.verb = "DEL",
                               .config = config.dump(),
                               .container = "a",
                               .netns = netns,
                               .program = "ipip-ipam"}));
        EXPECT_EQ(refusal_of(call("CHECK", "a")).code, 106);
    }
}

TEST_F(Ipam, DelAsksForNothingThatHasBecomeWrong) {
    add("a");
    expect_done(call("DEL", "a", {{"ipam", {{"subnet", "wrong"}, {"resolvConf", "/nowhere"}}}}));
    EXPECT_EQ(refusal_of(call("CHECK", "a")).code, 106);
}

} // namespace
} // namespace scene
