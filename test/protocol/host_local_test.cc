#include "test/system/cluster.h"

#include <fstream>
#include <gmock/gmock.h>

// `ipip-ipam` answers as host-local does (Debian's, containernetworking-plugins 1.1.1), document by
// document.

namespace scene {
namespace {

/// What goes into a network configuration besides name, version and `ipam.type`, and into CNI_ARGS.
struct Asked {
    const char* ipam;
    const char* more = "{}";
    const char* args = "";
};

/// A host with both IPAM plugins, each with leases of its own.
class SideBySide : public ::testing::TestWithParam<const char*> {
  protected:
    Output call(const char* verb, const std::string& type, const std::string& container,
                const Asked& asked) const {
        Json config = Json::parse(asked.more);
        config["name"] = network;
        config["cniVersion"] = GetParam();
        config["type"] = "bridge";
        config["ipam"] = Json::parse(asked.ipam);
        config["ipam"]["type"] = type;
        config["ipam"]["dataDir"] = "/run/" + type;
        return host.call({.verb = verb,
                          .config = config.dump(),
                          .container = container,
                          .netns = pod.net.path(),
                          .args = asked.args,
                          .program = type});
    }
    /// What an ADD answers; only that it fails where it does.
    Json add(const std::string& type, const std::string& container, const Asked& asked) const {
        const Output output = call("ADD", type, container, asked);
        return output.status == 0 ? Json::parse(output.out) : Json("an error");
    }
    Json compare(const std::string& container, const Asked& asked) const {
        const Json theirs = add("host-local", container, asked);
        EXPECT_EQ(add("ipip-ipam", container, asked), theirs)
            << container << " of " << asked.ipam << asked.more << asked.args;
        return theirs;
    }
    void free(const std::string& container, const Asked& asked) const {
        call("DEL", "host-local", container, asked); // fails where an ADD does
        EXPECT_EQ(call("DEL", "ipip-ipam", container, asked).status, 0);
    }

    /// Calls `act` for each row, in a network of its own.
    template <typename Act>
    void each(const std::vector<Asked>& table, Act act) {
        for (const Asked& asked : table) {
            network = "net" + std::to_string(&asked - table.data());
            act(asked);
        }
    }

    Host host{"host"};
    Pod pod{"pod"};
    std::string network = "net";
};

TEST_P(SideBySide, ResultsAreTheSame) {
    const auto folder = host.state_dir().parent_path();
    std::ofstream(folder / "resolv.conf") << "# by hand\nnameserver 10.96.0.10\n"
                                             "nameserver fd00::a\ndomain example.org\n"
                                             "search a.example b.example\noptions ndots:5 rotate\n";
    const std::vector<Asked> table{
        {R"({"ranges": [[{"subnet": "10.1.2.0/24"}]]})"},
        {R"({"subnet": "10.1.2.0/24"})"},
        {R"({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.20", "rangeEnd": "10.1.2.21",
             "gateway": "10.1.2.254"})"},
        {R"({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.20", "gateway": "10.1.2.21"})"},
        {R"({"subnet": "10.1.2.0/24", "gateway": "192.168.9.1"})"},
        {R"({"subnet": "10.1.2.0/29", "rangeEnd": "10.1.2.2"})"},
        {R"({"subnet": "10.1.2.4/30", "gateway": "10.1.2.6"})"},
        {R"({"subnet": "fd00::/64"})"},
        {R"({"subnet": "fd00::4/126", "gateway": "fe80::1"})"},
        {R"({"ranges": [[{"subnet": "10.1.2.0/30"}, {"subnet": "10.1.3.0/24"}]]})"},
        {R"({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]})"},
        {R"({"ranges": [[{"subnet": "fd00::/64"}], [{"subnet": "10.1.2.0/24"}]]})"},
        {R"({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.3.0/24"}]]})"},
        {R"({"subnet": "fd00::/64", "ranges": [[{"subnet": "10.1.3.0/24"}]]})"},
        {R"({"subnet": "10.1.2.0/24",
             "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.1.2.5"},
                        {"dst": "fd00:1::/64"}, {"dst": "fd00:2::/64", "gw": "fd00::1"}]})"},
        {R"({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]],
             "routes": [{"dst": "::/0"}, {"dst": "0.0.0.0/0"}]})"},
        {R"({"subnet": "10.1.2.0/24", "routes": [], "resolvConf": ""})"},
        {R"({"subnet": "10.1.2.0/24", "resolvConf": "/run/resolv.conf"})"},
        {R"({"subnet": "10.1.2.0/24"})", R"({"runtimeConfig": {"ipRanges":
             [[{"subnet": "fd00::/64"}]]}})"},
        {R"({})", R"({"runtimeConfig": {"ipRanges": [[{"subnet": "10.1.2.0/24"}]]}})"},
        {R"({"subnet": "10.1.2.0/24"})", R"({"args": {"cni": {}}, "runtimeConfig": {}})",
         "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web"},
    };
    each(table, [&](const Asked& asked) {
        compare("a", asked);
        compare("b", asked);
    });
}

TEST_P(SideBySide, AddressesGoRound) {
    const Asked small{R"({"subnet": "10.1.2.0/29"})"}; // of five addresses
    for (const char* container : {"a", "b", "c"})
        compare(container, small);
    free("b", small);
    for (const char* container : {"d", "e", "f"})
        compare(container, small);
    EXPECT_EQ(compare("g", small), "an error"); // it is full
    free("f", small);
    free("f", small);
    EXPECT_TRUE(compare("g", small).is_object());
}

TEST_P(SideBySide, RequestedAddressesAreTheSame) {
    const std::vector<Asked> granted{
        {R"({"subnet": "10.1.2.0/24"})", "{}", "IP=10.1.2.77"},
        {R"({"subnet": "10.1.2.0/24"})", "{}", "IP=10.1.2.77/24"},
        {R"({"subnet": "fd00::/64"})", "{}", "IP=fd00::77"},
        {R"({"subnet": "10.1.2.0/24"})", R"({"args": {"cni": {"ips": ["10.1.2.77"]}}})"},
        {R"({"subnet": "10.1.2.0/24"})", R"({"args": {"cni": {"ips": ["10.1.2.77/24"]}}})"},
        {R"({"subnet": "10.1.2.0/24"})", R"({"runtimeConfig": {"ips": ["10.1.2.77/24"]}})"},
        {R"({"subnet": "10.1.2.0/24"})", R"({"runtimeConfig": {"ips": ["10.1.2.77"]}})"},
        {R"({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]})",
         R"({"runtimeConfig": {"ips": ["fd00::77/64"]}})", "IP=10.1.2.77"},
        {R"({"ranges": [[{"subnet": "fd00::/64"}], [{"subnet": "10.1.2.0/24"}]]})",
         R"({"runtimeConfig": {"ips": ["fd00::77/64"]}})"},
        {R"({"ranges": [[{"subnet": "10.1.2.0/24"}, {"subnet": "10.1.3.0/24"}]]})", "{}",
         "IP=10.1.3.77"},
        {R"({})", R"({"runtimeConfig": {"ips": ["10.1.2.77"],
                      "ipRanges": [[{"subnet": "10.1.2.0/24"}]]}})"},
    };
    each(granted, [&](const Asked& asked) {
        EXPECT_TRUE(compare("a", asked).is_object()) << asked.ipam << asked.more << asked.args;
        EXPECT_EQ(compare("b", asked), "an error"); // it is taken
    });
}

/// In one version: it has no say in this.
class Refusals : public SideBySide {};

TEST_P(Refusals, OfRequestedAddressesAreTheSame) {
    const char* const range = R"({"subnet": "10.1.2.0/24", "rangeEnd": "10.1.2.99"})";
    const std::vector<Asked> refused{
        {range, "{}", "IP=10.1.3.1"},
        {range, "{}", "IP=10.1.2.100"}, // outside of the range
        {range, "{}", "IP=10.1.2.1"},   // the gateway
        {range, "{}", "IP=10.1.2.0"},
        {range, "{}", "IP=fd00::1"},
        {range, R"({"runtimeConfig": {"ips": ["10.1.2.8"]}})", "IP=10.1.2.9"}, // two of one set
        {range, R"({"args": {"cni": {"ips": ["10.1.2.8", "10.1.2.9"]}}})"},
        {range, R"({"args": {"cni": {"ips": ["ten"]}}})"},
        {range, "{}", "IP=ten"},
        {range, "{}", "UNKNOWN=1"},
        {range, "{}", "IP"},
    };
    each(refused, [&](const Asked& asked) {
        EXPECT_EQ(compare("a", asked), "an error") << asked.more << asked.args;
    });
}

TEST_P(Refusals, OfConfigurationsAreTheSame) {
    const std::vector<Asked> table{
        {R"({})"},
        {R"({"ranges": []})"},
        {R"({"ranges": [[]]})"},
        {R"({"ranges": [{"subnet": "10.1.2.0/24"}]})"},
        {R"({"ranges": [[{"rangeStart": "10.1.2.3"}]]})"},
        {R"({"subnet": "10.1.2.0"})"},
        {R"({"subnet": "10.1.2.3/24"})"},
        {R"({"subnet": "10.1.2.0/31"})"},
        {R"({"subnet": "10.1.2.0/32"})"},
        {R"({"subnet": "fd00::/127"})"},
        {R"({"subnet": "10.1.2.0/24", "rangeStart": "10.1.3.1"})"},
        {R"({"subnet": "10.1.2.0/24", "rangeEnd": "10.1.3.1"})"},
        {R"({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.8"})"},
        {R"({"subnet": "10.1.2.0/24", "gateway": "10.1.2"})"},
        {R"({"ranges": [[{"subnet": "10.1.2.0/24"}, {"subnet": "fd00::/64"}]]})"},
        {R"({"ranges": [[{"subnet": "10.1.0.0/16"}, {"subnet": "10.1.2.0/24"}]]})"},
        {R"({"ranges": [[{"subnet": "10.1.0.0/16"}], [{"subnet": "10.1.2.0/24"}]]})"},
        {R"({"subnet": "10.1.2.0/24", "ranges": [[{"subnet": "10.1.2.0/24"}]]})"},
        {R"({"subnet": "10.1.2.0/24", "routes": [{"dst": "all"}]})"},
        {R"({"subnet": "10.1.2.0/24", "routes": "0.0.0.0/0"})"},
        {R"({"subnet": "10.1.2.0/24", "resolvConf": "/nowhere"})"},
        {R"({"subnet": "10.1.2.0/24", "resolvConf": "/run"})"},
        {R"({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.1", "rangeEnd": "10.1.2.1"})"},
    };
    each(table, [&](const Asked& asked) { EXPECT_EQ(compare("a", asked), "an error"); });
}

std::string version_name(const ::testing::TestParamInfo<const char*>& version) {
    std::string name = version.param;
    std::ranges::replace(name, '.', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Of, SideBySide, ::testing::Values("0.2.0", "0.3.1", "0.4.0", "1.0.0"),
                         version_name);
INSTANTIATE_TEST_SUITE_P(Of, Refusals, ::testing::Values("1.0.0"), version_name);

} // namespace
} // namespace scene
