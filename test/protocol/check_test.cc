#include "test/system/cluster.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace scene {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// One pod, attached, and what CHECK says of it.
class Attached {
  public:
    Attached() { add(); }

    void add() { result = host.add(pod, config()); }

    std::string config(Json more = Json::object()) const {
        more["ipMasq"] = true;
        return Cluster::config(cluster.nodes(), more);
    }
    Output check(const Json& previous) const {
        return host.call({.verb = "CHECK",
                          .config = config({{"prevResult", previous}}),
                          .container = pod.id,
                          .netns = pod.net.path()});
    }
    Output check() const { return check(result); }
    /// The host end's name.
    std::string link() const { return link_of(result); }
    std::string address() const { return address_of(result); }

    Cluster cluster{1};
    Host& host = cluster.host(1);
    Pod pod{"pod"};
    Json result;
};

/// "$LINK" and "$ADDRESS" replaced.
std::string filled_in(std::string text, const Attached& it) {
    for (const auto& [word, value] :
         {std::pair("$LINK", it.link()), std::pair("$ADDRESS", it.address())})
        for (auto at = text.find(word); at != std::string::npos; at = text.find(word))
            text.replace(at, std::string(word).size(), value);
    return text;
}

/// Something broken by hand, and what CHECK must say of it.
struct Damage {
    std::string name;
    std::function<void(const Attached&)> act;
    std::vector<std::string> named;
};
void PrintTo(const Damage& damage, std::ostream* out) {
    *out << damage.name;
}

std::function<void(const Attached&)> in_pod(const char* command) {
    return [command](const Attached& it) { it.pod.net.ip(filled_in(command, it) + "\n"); };
}
std::function<void(const Attached&)> in_host(const char* command) {
    return [command](const Attached& it) { it.host.net().ip(filled_in(command, it) + "\n"); };
}
std::function<void(const Attached&)> set(const char* key, const char* value) {
    return [=](const Attached& it) { it.host.net().set_sysctl(filled_in(key, it), value); };
}
std::function<void(const Attached&)> nft(const char* command) {
    return [command](const Attached& it) {
        EXPECT_EQ(it.host.net().run(command).status, 0) << command;
    };
}

/// By the hand of another program that knows the store.
void release_lease(const Attached& it) {
    const Json config{{"cniVersion", "1.1.0"},
                      {"name", "podnet"},
                      {"ipam", {{"type", "ipip-ipam"}, {"dataDir", "/run/ipip-cni"}}}};
    EXPECT_EQ(it.host
                  .call({.verb = "DEL",
                         .config = config.dump(),
                         .container = it.pod.id,
                         .netns = {},
                         .program = "ipip-ipam"})
                  .status,
              0);
}

const std::vector<Damage>& damages() {
    static const std::vector<Damage> all{
        {"ThePodsInterfaceIsGone",
         in_pod("link delete eth0"),
         {"the pod's interface eth0", "gone"}},
        {"ThePodsInterfaceIsDown",
         in_pod("link set eth0 down"),
         {"the pod's interface eth0", "down"}},
        {"ThePodsInterfaceHasAnotherMacAddress",
         in_pod("link set eth0 address 02:00:00:00:00:01"),
         {"eth0", "02:00:00:00:00:01"}},
        {"ThePodsInterfaceHasATooLargeMtu",
         in_pod("link set eth0 mtu 1481"),
         {"eth0", "1481", "1480"}},
        {"ThePodsAddressIsGone", in_pod("address delete $ADDRESS/32 dev eth0"), {"$ADDRESS"}},
        {"ThePodsAddressIsOnAnotherInterface",
         in_pod("address delete $ADDRESS/32 dev eth0\naddress add $ADDRESS/32 dev lo"),
         {"$ADDRESS", "eth0"}},
        {"ThePodsDefaultRouteIsGone",
         in_pod("route delete default"),
         {"the pod", "0.0.0.0/0 via 10.10.100.10 dev eth0"}},
        {"ThePodsDefaultRouteLeadsElsewhere",
         in_pod("route replace default dev lo"),
         {"the pod", "0.0.0.0/0 via 10.10.100.10 dev eth0"}},
        {"ThePodsRouteToItsGatewayIsGone",
         in_pod("route delete 10.10.100.10/32"),
         {"the pod", "10.10.100.10/32 dev eth0"}},
        {"ThePodDoesNotKnowItsGateway",
         in_pod("neighbour delete 10.10.100.10 dev eth0"),
         {"MAC address", "10.10.100.10"}},
        {"ThePodTakesAnotherForItsGateway",
         in_pod("neighbour replace 10.10.100.10 lladdr 02:00:00:00:00:01 dev eth0"),
         {"MAC address", "10.10.100.10"}},
        {"TheHostEndIsDown",
         in_host("link set $LINK down"),
         {"the host's interface $LINK", "down"}},
        {"TheHostEndHasAnotherMacAddress",
         in_host("link set $LINK address 02:00:00:00:00:01"),
         {"$LINK", "02:00:00:00:00:01"}},
        {"TheHostEndDoesNotForward",
         set("net/ipv4/conf/$LINK/forwarding", "0"),
         {"forwarding", "$LINK"}},
        {"TheHostEndDoesNotCheckSources",
         set("net/ipv4/conf/$LINK/rp_filter", "0"),
         {"source check", "$LINK"}},
        {"TheHostEndIsInAnotherGroup", in_host("link set $LINK group 0"), {"group", "$LINK"}},
        {"TheHostsRouteIsGone", in_host("route delete $ADDRESS/32"), {"$ADDRESS", "$LINK"}},
        {"TheHostsRouteLeadsElsewhere",
         in_host("route replace $ADDRESS/32 dev eth0"),
         {"$ADDRESS", "$LINK"}},
        {"TheLeaseIsGone", release_lease, {"$ADDRESS", "not leased", "eth0", "container pod"}},
        {"TheEndpointIsGone",
         in_host("address delete 10.10.100.10/32 dev lo"),
         {"10.10.100.10", "lo"}},
        {"TheNftablesTableIsGone", nft("nft delete table inet ipip-cni"), {"nftables"}},
        {"TheNftablesRulesAreGone", nft("nft flush table inet ipip-cni"), {"nftables"}},
        {"TheUnderlayDoesNotForward",
         set("net/ipv4/conf/eth0/forwarding", "0"),
         {"forwarding", "eth0"}},
        {"TheUnreachableRouteIsGone",
         in_host("route delete unreachable 10.10.100.0/24 metric 4096"),
         {"10.10.100.0/24", "unreachable"}},
    };
    return all;
}

class Check : public ::testing::TestWithParam<Damage>, protected Attached {
  protected:
    /// Does what the message says is to be done.
    void mend(const std::string& message) {
        SCOPED_TRACE(message);
        const auto open = message.rfind('(');
        if (message.ends_with("delete the pod and start it again")) {
            host.del(pod, config());
            add();
        } else if (message.find("the next ADD") != std::string::npos) {
            others.push_back(std::make_unique<Pod>("other" + std::to_string(others.size())));
            host.add(*others.back(), config());
        } else if (open != std::string::npos && message.ends_with(')')) {
            const Namespace& space = message.starts_with("the pod") ? pod.net : host.net();
            const Output done = space.run(message.substr(open + 1, message.size() - open - 2));
            EXPECT_EQ(done.status, 0) << done.err;
        } else {
            FAIL() << "no mend is named";
        }
    }

    std::vector<std::unique_ptr<Pod>> others;
};

TEST_P(Check, NamesWhatIsBrokenAndAMendThatWorks) {
    ASSERT_EQ(check().status, 0) << check().out;
    GetParam().act(*this);
    const Json outside = host.net().state();
    const Json inside = pod.net.state();
    Output output = check();
    EXPECT_TRUE(is_unchanged(host.net(), outside));
    EXPECT_TRUE(is_unchanged(pod.net, inside));
    const Refused refused = refusal_of(output);
    EXPECT_EQ(refused.code, 106) << output.out;
    for (const std::string& part : GetParam().named)
        EXPECT_THAT(refused.message, HasSubstr(filled_in(part, *this)));
    // One mend may lead to another: routes went with an address.
    for (int mends = 0; output.status != 0 && mends < 3; ++mends) {
        mend(refusal_of(output).message);
        output = check();
    }
    EXPECT_EQ(output.status, 0) << output.out;
    EXPECT_TRUE(reaches(host.net(), address()));
}

INSTANTIATE_TEST_SUITE_P(Where, Check, ::testing::ValuesIn(damages()),
                         [](const auto& param) { return param.param.name; });

class CheckOfSources : public ::testing::Test, protected Attached {};

// As systemd-sysctl has it for each new device, of net.ipv4.conf.*.rp_filter=2 in its defaults.
TEST_F(CheckOfSources, LeavesThemToTheRulesWhereTheDeviceIsLoose) {
    set("net/ipv4/conf/$LINK/rp_filter", "2")(*this);
    EXPECT_EQ(check().status, 0) << check().out;
}

/// What plugins behind this one in the chain may do to an attachment.
struct Change {
    std::string name;
    std::string in_pod;                             ///< commands of ip(8), one a line
    std::function<void(Json&)> tell = [](Json&) {}; ///< what the result says of it
};
void PrintTo(const Change& change, std::ostream* out) {
    *out << change.name;
}

class CheckAllows : public ::testing::TestWithParam<Change>, protected Attached {};

// The agent changes the kernel first, and the nodes file when that is done.
TEST_F(CheckOfSources, WaitsForWhoeverChangesTheMesh) {
    const auto lock = host.state_dir() / "mesh.lock";
    const int held = checked(::open(lock.c_str(), O_RDWR | O_CLOEXEC), "open the lock");
    checked(::flock(held, LOCK_EX), "take it");
    host.net().ip("route delete unreachable 10.10.100.0/24 metric 4096\n");
    Output output{.status = -1, .out = {}, .err = {}};
    std::thread asking([&] { output = check(); });
    EXPECT_TRUE(comes_true([&] { return waiting_for(lock) == 1; }));
    host.net().ip("route add unreachable 10.10.100.0/24 metric 4096 protocol 94\n");
    ::close(held);
    asking.join();
    EXPECT_EQ(output.status, 0) << output.out;
}

TEST_P(CheckAllows, WhatALaterPluginMayChange) {
    pod.net.ip(filled_in(GetParam().in_pod, *this));
    GetParam().tell(result);
    const Output output = check();
    EXPECT_EQ(output.status, 0) << output.out;
    EXPECT_EQ(output.out, "");
}

INSTANTIATE_TEST_SUITE_P(
    That, CheckAllows,
    ::testing::Values(
        Change{.name = "TheMtuIsSmaller", .in_pod = "link set eth0 mtu 1200\n"},
        Change{.name = "TheMacAddressIsAnother",
               .in_pod = "link set eth0 address 0a:00:00:00:00:01\n",
               .tell = [](Json& result) { result["interfaces"][1]["mac"] = "0A:00:00:00:00:01"; }},
        Change{.name = "TheRoutesAreInATableOfTheirOwn",
               .in_pod = "route add 10.10.100.10/32 dev eth0 table 100\n"
                         "route add default via 10.10.100.10 dev eth0 table 100\n"
                         "rule add from $ADDRESS table 100\n"
                         "route delete default\n"
                         "route delete 10.10.100.10/32\n"},
        Change{
            .name = "ThereIsMoreOfEverything",
            .in_pod = "link add net1 type bridge\n"
                      "link set net1 up\n"
                      "address add 192.0.2.7/24 dev eth0\n"
                      "address add 198.51.100.7/24 dev net1\n"
                      "route add 203.0.113.0/24 via 10.10.100.10 dev eth0\n",
            .tell =
                [](Json& result) {
                    result["interfaces"].push_back({{"name", "net1"}, {"sandbox", "/elsewhere"}});
                    result["ips"].push_back({{"address", "198.51.100.7/24"},
                                             {"gateway", "198.51.100.1"},
                                             {"interface", 2}});
                    result["routes"].push_back({{"dst", "203.0.113.0/24"}});
                }}),
    [](const auto& param) { return param.param.name; });

} // namespace
} // namespace scene
