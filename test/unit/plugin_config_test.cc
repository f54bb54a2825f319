#include "plugin/config.h"

#include "cni/version.h"
#include "test/unit/plugin_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace plugin {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using testing::UnorderedElementsAre;

Config read_document(const json::Value& document) {
    const cni::Environment environment{cni::Verb::add, {}, {}, {}, {}, {}, {}, {}};
    const json::Field config(document);
    return read_config({environment, config, cni::read_version(config)});
}

Config read(const std::string& replacements) {
    return read_document(configuration(replacements));
}

TEST(Config, HasItsDefaults) {
    const Config config = read("{}");
    EXPECT_EQ(config.cni_version, "1.1.0");
    EXPECT_EQ(config.identity.network, "podnet");
    EXPECT_TRUE(config.identity.owns_mesh);
    EXPECT_EQ(config.settings.network, "podnet");
    EXPECT_EQ(config.settings.mtu, 0U);
    EXPECT_EQ(config.settings.ttl, 64);
    EXPECT_FALSE(config.settings.masquerade);
    EXPECT_TRUE(config.settings.check_source);
    EXPECT_EQ(config.cluster.listing().nodes.size(), 2U);
    EXPECT_EQ(config.cluster.listing().self, std::nullopt);
    EXPECT_TRUE(config.dns.is_null());
    EXPECT_THAT(config.requested, IsEmpty());
    EXPECT_EQ(config.mac, std::nullopt);
    EXPECT_THAT(config.unknown_keys, IsEmpty());
    EXPECT_EQ(read(R"({"stateDir": null})").identity.state_dir, "/run/ipip-cni");
}

TEST(Config, TakesEveryKeyOfTheContract) {
    const Config config = read(R"({
        "nodeName": "host2", "stateDir": "/var/lib/pods", "nodesFile": "/run/n.json",
        "topology": "shared", "direct": "never", "encapsulation": "ipip", "fouPort": 5555,
        "mtu": 1400, "ttl": 255, "ipMasq": true, "sourceCheck": false, "ipam": {"type": "ipip-ipam"},
        "dns": {"nameservers": ["10.96.0.10"], "domain": "a", "search": ["b"], "options": ["c"]},
        "logFile": "/var/log/ipip.log", "logLevel": "debug"})");
    EXPECT_EQ(config.cluster.listing().self, "host2");
    EXPECT_EQ(config.identity.state_dir, "/var/lib/pods");
    EXPECT_EQ(config.settings.topology, mesh::Topology::shared);
    EXPECT_EQ(config.settings.mtu, 1400U);
    EXPECT_EQ(config.settings.ttl, 255);
    EXPECT_TRUE(config.settings.masquerade);
    EXPECT_FALSE(config.settings.check_source);
    EXPECT_EQ(config.dns,
              json::parse(R"({"nameservers": ["10.96.0.10"], "domain": "a", "search": ["b"],
                                          "options": ["c"]})"));
    EXPECT_THAT(config.unknown_keys, IsEmpty());
}

TEST(Config, TakesTheLimitsOfItsNumbers) {
    for (const char* mtu : {"0", "576", "65515"})
        EXPECT_EQ(read("{\"mtu\": " + std::string(mtu) + "}").settings.mtu, std::stoul(mtu));
    EXPECT_EQ(read(R"({"ttl": 1})").settings.ttl, 1);
}

TEST(Config, IsRefusedByKeyValueAndMend) {
    const struct {
        const char* replacements;
        unsigned code;
        const char* beginning; ///< of the message: key and value
        const char* rest;      ///< in it: what is wrong with it or the mend
    } table[] = {
        {R"({"cniVersion": 1})", 7, "cniVersion: 1", "is not a string"},
        {R"({"cniVersion": "2.0.0"})", 1, R"(cniVersion: "2.0.0")",
         "use one of 0.1.0, 0.2.0, 0.3.0"},
        {R"({"name": null})", 7, "name: is missing", "such as \"podnet\""},
        {R"({"name": ["podnet"]})", 7, R"(name: ["podnet"])", "is not a string"},
        {R"({"name": ""})", 7, R"(name: "")", "is not a network name"},
        {R"({"name": "-x"})", 7, R"(name: "-x")", "a letter or digit first"},
        {R"({"name": "a/b"})", 7, R"(name: "a/b")", "is not a network name"},
        {R"({"name": "a\u0000b"})", 7, R"(name: "a\u0000b")", "is not a network name"},
        {R"({"name": "123456789012345678901234567890123456789012345678901"})", 7, "name: \"1234",
         "at most 50"},
        {R"({"type": 5})", 7, "type: 5", "is not a string"},
        {R"({"nodes": 5})", 7, "nodes: 5", "is not a list"},
        {R"({"nodes": {}})", 7, "nodes: {}", "is not a list"},
        {R"({"nodes": []})", 7, "nodes: []", "list every node"},
        {R"({"nodes": ["host1"]})", 7, R"(nodes[0]: "host1")", "is not an object"},
        {R"({"nodesFile": 5})", 7, "nodesFile: 5", "is not a string"},
        {R"({"nodesFile": "nodes.json"})", 7, R"(nodesFile: "nodes.json")",
         "give one such as /run"},
        {R"({"nodeName": 5})", 7, "nodeName: 5", "is not a string"},
        {R"({"stateDir": []})", 7, "stateDir: []", "is not a string"},
        {R"({"stateDir": "run"})", 7, R"(stateDir: "run")", "give one such as /run/ipip-cni"},
        {R"({"stateDir": ""})", 7, R"(stateDir: "")", "is not an absolute path"},
        {R"({"stateDir": "/a\u0000b"})", 7, R"(stateDir: "/a\u0000b")", "is not an absolute path"},
        {R"({"topology": 1})", 7, "topology: 1", "is not a string"},
        {R"({"topology": "star"})", 7, R"(topology: "star")", R"(use "pairs" or "shared")"},
        {R"({"direct": true})", 7, "direct: true", "is not a string"},
        {R"({"direct": "always"})", 7, R"(direct: "always")", R"("never" or "same-subnet")"},
        {R"({"direct": "same-subnet"})", 2, R"(direct: "same-subnet")", R"(use "never")"},
        {R"({"encapsulation": {}})", 7, "encapsulation: {}", "is not a string"},
        {R"({"encapsulation": "gre"})", 7, R"(encapsulation: "gre")", R"("ipip" or "fou")"},
        {R"({"encapsulation": "fou"})", 2, R"(encapsulation: "fou")", R"(use "ipip")"},
        {R"({"fouPort": "5555"})", 7, R"(fouPort: "5555")", "from 1 to 65535"},
        {R"({"fouPort": 0})", 7, "fouPort: 0", "from 1 to 65535"},
        {R"({"fouPort": 65536})", 7, "fouPort: 65536", "from 1 to 65535"},
        {R"({"mtu": "1400"})", 7, R"(mtu: "1400")", "is not a whole number"},
        {R"({"mtu": 1400.0})", 7, "mtu: 1400.0", "is not a whole number"},
        {R"({"mtu": true})", 7, "mtu: true", "is not a whole number"},
        {R"({"mtu": -1})", 7, "mtu: -1", "from 0 to 65515"},
        {R"({"mtu": 65516})", 7, "mtu: 65516", "from 0 to 65515"},
        {R"({"mtu": 18446744073709551615})", 7, "mtu: 18446744073709551615", "from 0 to 65515"},
        {R"({"mtu": 575})", 7, "mtu: 575", "use 0 to have it found out, or 576 to 65515"},
        {R"({"ttl": "64"})", 7, R"(ttl: "64")", "from 1 to 255"},
        {R"({"ttl": 0})", 7, "ttl: 0", "from 1 to 255"},
        {R"({"ttl": 256})", 7, "ttl: 256", "from 1 to 255"},
        {R"({"ipMasq": "true"})", 7, R"(ipMasq: "true")", "is not true or false"},
        {R"({"ipMasq": 1})", 7, "ipMasq: 1", "is not true or false"},
        {R"({"sourceCheck": "no"})", 7, R"(sourceCheck: "no")", "is not true or false"},
        {R"({"ipam": "ipip-ipam"})", 7, R"(ipam: "ipip-ipam")", "is not an object"},
        {R"({"ipam": {"type": 5}})", 7, "ipam.type: 5", "is not a string"},
        {R"({"ipam": {"subnet": "10.0.0.1/8"}})", 7, R"(ipam.subnet: )", "10.0.0.0/8"},
        {R"({"ipam": {"ranges": {}}})", 7, "ipam.ranges: {}", "is not a list"},
        {R"({"ipam": {"routes": [{"dst": 5}]}})", 7, "ipam.routes[0].dst: 5", "is not a string"},
        {R"({"prevResult": "x"})", 7, "prevResult: \"x\"", "is not an object"},
        {R"({"prevResult": {"cniVersion": "1.0.0"}})", 7, R"(prevResult.cniVersion: "1.0.0")",
         "a runtime converts the result"},
        {R"({"prevResult": {"cniVersion": "1.1.0", "ips": {}}})", 7, "prevResult.ips: {}",
         "is not a list"},
        {R"({"dns": []})", 7, "dns: []", "is not an object"},
        {R"({"dns": {"nameservers": "10.96.0.10"}})", 7, R"(dns.nameservers: "10.96.0.10")",
         "a list"},
        {R"({"dns": {"nameservers": [10]}})", 7, "dns.nameservers[0]: 10", "is not a string"},
        {R"({"dns": {"search": {}}})", 7, "dns.search: {}", "is not a list"},
        {R"({"dns": {"options": ["a", false]}})", 7, "dns.options[1]: false", "is not a string"},
        {R"({"dns": {"domain": 1}})", 7, "dns.domain: 1", "is not a string"},
        {R"({"logFile": 5})", 7, "logFile: 5", "is not a string"},
        {R"({"logFile": "ipip.log"})", 7, R"(logFile: "ipip.log")", "give one such as /var/log"},
        {R"({"logFile": "/nowhere\u0000"})", 7, R"(logFile: "/nowhere\u0000")",
         "not an absolute path"},
        {R"({"logFile": "/dev/null/ipip.log"})", 7, R"(logFile: "/dev/null/ipip.log")",
         "be opened"},
        {R"({"logLevel": 5})", 7, "logLevel: 5", "is not a string"},
        {R"({"logLevel": "loud"})", 7, R"(logLevel: "loud")", "use trace, debug, info"},
        {R"({"runtimeConfig": "x"})", 7, R"(runtimeConfig: "x")", "is not an object"},
        {R"({"runtimeConfig": {"ips": "10.10.100.9"}})", 7, "runtimeConfig.ips: ", "is not a list"},
        {R"({"runtimeConfig": {"ips": ["x"]}})", 7, R"(runtimeConfig.ips[0]: "x")", "write one"},
        {R"({"runtimeConfig": {"mac": 5}})", 7, "runtimeConfig.mac: 5", "is not a string"},
        {R"({"runtimeConfig": {"mac": "x"}})", 7, R"(runtimeConfig.mac: "x")", "write one"},
        {R"({"runtimeConfig": {"mac": "ff:ff:ff:ff:ff:ff"}})", 7, "runtimeConfig.mac: ", "is even"},
        {R"({"runtimeConfig": {"dns": 5}})", 7, "runtimeConfig.dns: 5", "is not an object"},
        {R"({"runtimeConfig": {"dns": {"servers": 5}}})", 7, "runtimeConfig.dns.servers: 5",
         "a list"},
        {R"({"runtimeConfig": {"ipRanges": 5}})", 7, "runtimeConfig.ipRanges: 5", "is not a list"},
        {R"({"runtimeConfig": {"ipRanges": [[]]}})", 7,
         "runtimeConfig.ipRanges[0]: ", "name a subnet"},
    };
    for (const auto& [replacements, code, beginning, rest] : table) {
        const Outcome outcome = call(add_variables(), configuration(replacements).dump());
        EXPECT_EQ(outcome.status, 1) << replacements;
        EXPECT_EQ(outcome.code(), code) << replacements << outcome.output;
        EXPECT_THAT(outcome.message(), AllOf(StartsWith(beginning), HasSubstr(rest)))
            << replacements;
    }
}

TEST(Config, ThatIsNullIsNotGiven) {
    EXPECT_EQ(
        read(R"({"mtu": null, "ttl": null, "ipMasq": null, "sourceCheck": null, "topology": null,
                       "ipam": null, "dns": null, "logFile": null, "logLevel": null, "nodeName": null,
                       "runtimeConfig": null})")
            .settings.ttl,
        64);
    EXPECT_NO_THROW(read(R"({"ipam": {"type": null, "ranges": null}, "dns": {"search": null}})"));
}

TEST(Config, WarnsOfUnknownKeysByTheirPlace) {
    json::Value document = configuration(R"({"mtuu": 1, "bridge": "cni0", "args": {"cni": {}},
                                             "ipam": {"type": "ipip-ipam", "dataDir": "/x"}})");
    document["nodes"][1]["podCidrs"] = 5;
    EXPECT_THAT(read_document(document).unknown_keys,
                UnorderedElementsAre("mtuu", "bridge", "ipam.dataDir", "nodes[1].podCidrs"));
}

TEST(Config, TakesWhatTheRuntimeAsksFor) {
    const Config config = read(R"({"runtimeConfig": {
        "ips": ["10.10.100.9/24", "10.10.100.8"], "mac": "02-42-AC-11-00-02", "ipRanges": [],
        "dns": {"servers": ["10.96.0.10"], "searches": ["svc.local"], "options": ["ndots:5"]}},
        "dns": {"nameservers": ["192.0.2.53"], "domain": "example.org"}})");
    EXPECT_THAT(config.requested,
                ElementsAre(ip::Address::parse("10.10.100.9"), ip::Address::parse("10.10.100.8")));
    EXPECT_EQ(config.mac, ip::Mac::parse("02:42:ac:11:00:02"));
    // In the words of a result, and instead of what the configuration says.
    EXPECT_EQ(config.dns, json::parse(R"({"nameservers": ["10.96.0.10"], "search": ["svc.local"],
                                          "options": ["ndots:5"]})"));
    EXPECT_TRUE(read(R"({"dns": {}})").dns.is_null());
    EXPECT_EQ(read(R"({"runtimeConfig": {"dns": {}}, "dns": {"domain": "a"}})").dns,
              json::parse(R"({"domain": "a"})"));
}

// containerd's Go structure has no names for its keys.
TEST(Config, TakesTheRuntimesDnsWithCapitalsToo) {
    for (const char* dns : {R"({"servers": ["10.96.0.10"], "searches": ["svc.local"]})",
                            R"({"Servers": ["10.96.0.10"], "Searches": ["svc.local"]})"})
        EXPECT_EQ(read(std::string(R"({"runtimeConfig": {"dns": )") + dns + "}}").dns,
                  json::parse(R"({"nameservers": ["10.96.0.10"], "search": ["svc.local"]})"));
}

TEST(Config, OfVersionZeroOneMayLackItsVersion) {
    EXPECT_EQ(read(R"({"cniVersion": null})").cni_version, "0.1.0");
    EXPECT_EQ(read(R"({"cniVersion": ""})").cni_version, "0.1.0") << "as libcni writes it then";
    for (const std::string& version : cni::served_versions())
        EXPECT_EQ(read("{\"cniVersion\": \"" + version + "\"}").cni_version, version);
    EXPECT_THAT(cni::served_versions(),
                ElementsAre("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"));
}

TEST(Identity, AsksForNothingThatADelCouldFailFor) {
    const json::Value document =
        configuration(R"({"nodes": "wrong", "mtu": "wrong", "topology": "wrong"})");
    const Identity identity = read_identity(json::Field(document));
    EXPECT_EQ(identity.network, "podnet");
    EXPECT_EQ(identity.state_dir, "/nowhere/at/all");
    EXPECT_TRUE(identity.owns_mesh);
    const json::Value agents = configuration(R"({"nodes": null})");
    EXPECT_FALSE(read_identity(json::Field(agents)).owns_mesh);
}

/// A file of nodes, as the agent writes it, for as long as the object lives.
class NodesFile {
  public:
    explicit NodesFile(const std::string& text)
        : path_(std::filesystem::path(testing::TempDir()) / "ipip-nodes-file-test.json") {
        std::ofstream(path_) << text;
    }
    ~NodesFile() { std::filesystem::remove(path_); }
    std::string path() const { return path_.string(); }
    json::Value document() const {
        return configuration(json::Value{{"nodes", nullptr}, {"nodesFile", path()}}.dump());
    }

  private:
    std::filesystem::path path_;
};

TEST(NodesFile, GivesTheNodesAndWhichIsThisOne) {
    const json::Value content{{"nodes", configuration()["nodes"]}, {"self", "host2"}};
    const NodesFile file(content.dump());
    EXPECT_EQ(read_document(file.document()).cluster.listing().nodes,
              read("{}").cluster.listing().nodes);
    EXPECT_EQ(read_document(file.document()).cluster.listing().self, "host2");
    EXPECT_FALSE(read_document(file.document()).identity.owns_mesh);
    json::Value named = file.document();
    named["nodeName"] = "host1";
    EXPECT_EQ(read_document(named).cluster.listing().self, "host1");
}

TEST(NodesFile, ThatIsNotThereYetIsWorthAnotherTry) {
    const Outcome outcome =
        call(add_variables(),
             configuration(R"({"nodes": null, "nodesFile": "/nowhere/nodes.json"})").dump());
    EXPECT_EQ(outcome.code(), 11U);
    EXPECT_THAT(outcome.message(), AllOf(HasSubstr("nodesFile /nowhere/nodes.json cannot be read"),
                                         HasSubstr("see that ipipd runs")));
}

TEST(NodesFile, ThatIsADirectoryIsNamed) {
    const auto document = configuration(R"({"nodes": null, "nodesFile": "/"})");
    try {
        read_document(document).cluster.listing();
        ADD_FAILURE() << "no error";
    } catch (const json::FieldError& error) {
        EXPECT_THAT(error.what(), StartsWith("nodesFile: / cannot be read"));
    }
}

TEST(NodesFile, IsNamedByWhatIsWrongInIt) {
    for (const auto& [text, wrong] :
         {std::pair("[", "is not JSON: "), std::pair("[]", "the document: []"),
          std::pair("{}", "nodes: is missing"),
          std::pair(R"({"nodes": [{"name": 5}]})", "nodes[0].name: 5")}) {
        const NodesFile file(text);
        try {
            read_document(file.document()).cluster.listing();
            ADD_FAILURE() << "no error for " << text;
        } catch (const json::FieldError& error) {
            EXPECT_THAT(error.what(),
                        AllOf(StartsWith("nodesFile: " + file.path()), HasSubstr(wrong)));
        }
    }
}

} // namespace
} // namespace plugin
