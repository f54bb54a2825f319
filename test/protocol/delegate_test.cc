#include "test/protocol/delegation.h"

#include <gmock/gmock.h>

// `ipip` whose addresses another IPAM plugin gives.

namespace scene {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

TEST_F(Delegation, ToHostLocalGivesItsAddressAndTheHostsOwnGateway) {
    const Json ipam{{"type", "host-local"},
                    {"dataDir", "/run/leases"},
                    {"ranges", {{{{"subnet", "10.10.100.0/24"}, {"rangeStart", "10.10.100.20"}}}}}};
    for (const char* version : {"0.2.0", "0.3.1", "0.4.0", "1.0.0"}) {
        const Json more{{"cniVersion", version}};
        const Json result = add(config(ipam, more));
        const bool old = version == std::string("0.2.0");
        const Json address = old ? result.at("ip4") : result.at("ips").at(0);
        const std::string text = address.at(old ? "ip" : "address");
        EXPECT_THAT(text, MatchesRegex("10.10.100.2[0-9]/32"));
        EXPECT_EQ(address.at("gateway"), "10.10.100.10");
        const auto file =
            host.state_dir().parent_path() / "leases/podnet" / text.substr(0, text.find('/'));
        EXPECT_TRUE(std::filesystem::exists(file));
        EXPECT_TRUE(reaches(host.net(), text.substr(0, text.find('/'))));
        if (version >= std::string("0.4.0"))
            expect_done(
                call("CHECK", config(ipam, {{"cniVersion", version}, {"prevResult", result}})));
        expect_done(call("DEL", config(ipam, more)));
        EXPECT_FALSE(std::filesystem::exists(file));
        expect_nothing_left();
    }
}

TEST_F(Delegation, ToStaticGivesItsRoutesAndDns) {
    const Json ipam = Json::parse(R"({"type": "static",
        "addresses": [{"address": "10.10.100.30/24", "gateway": "10.10.100.10"}],
        "routes": [{"dst": "172.16.0.0/12"}, {"dst": "192.168.0.0/16", "gw": "10.10.100.1"}],
        "dns": {"nameservers": ["10.96.0.10"]}})");
    const Json result = add(config(ipam));
    EXPECT_EQ(result.at("ips"), Json::parse(R"([{"address": "10.10.100.30/32", "interface": 1,
                                                 "gateway": "10.10.100.10"}])"));
    EXPECT_EQ(result.at("routes"), Json::parse(R"([{"dst": "172.16.0.0/12", "gw": "10.10.100.10"},
                              {"dst": "192.168.0.0/16", "gw": "10.10.100.10"}])"));
    EXPECT_EQ(result.at("dns"), ipam.at("dns"));
    const Json routes = pod.net.ip("route show\n").at(0);
    EXPECT_EQ(find(routes, "dst", "192.168.0.0/16").at("gateway"), "10.10.100.10");
    EXPECT_TRUE(find(routes, "dst", "default").is_null());
    EXPECT_TRUE(reaches(pod.net, "172.16.5.126"));
    expect_done(call("CHECK", config(ipam, {{"prevResult", result}})));
    expect_done(call("DEL", config(ipam)));
    expect_nothing_left();
}

TEST_F(Delegation, PassesEveryVerbOn) {
    scripted.gives({{"cniVersion", "1.1.0"}, {"ips", given.at("ips")}});
    Json more{{"cniVersion", "1.1.0"}, {"ipam", {{"type", "scripted"}, {"key", {1, 2}}}}};
    const auto document = [&] { return Json::parse(config(more.at("ipam"), more)); };
    expect_done(call("STATUS", document().dump()));
    EXPECT_EQ(scripted.config("STATUS"), document());
    const Json result = add(document().dump());
    EXPECT_EQ(scripted.config("ADD"), document());
    more["prevResult"] = result;
    expect_done(call("CHECK", document().dump()));
    EXPECT_EQ(scripted.config("CHECK"), document());
    more["cni.dev/valid-attachments"] = {{{"containerID", pod.id}, {"ifname", "eth0"}}};
    expect_done(call("GC", document().dump()));
    EXPECT_EQ(scripted.config("GC"), document());
    expect_done(call("DEL", document().dump()));
    EXPECT_EQ(scripted.config("DEL"), document());
    EXPECT_EQ(scripted.calls(), "STATUS ADD CHECK GC DEL");
    for (const char* verb : {"ADD", "CHECK", "DEL"}) {
        EXPECT_EQ(scripted.variable(verb, "CNI_CONTAINERID"), "pod");
        EXPECT_EQ(scripted.variable(verb, "CNI_IFNAME"), "eth0");
        EXPECT_EQ(scripted.variable(verb, "CNI_NETNS"), pod.net.path());
        EXPECT_EQ(scripted.variable(verb, "CNI_ARGS"), "IgnoreUnknown=1;K8S_POD_NAME=web");
        EXPECT_THAT(scripted.variable(verb, "CNI_PATH"), StartsWith(scripted.path() + ':'));
    }
    expect_nothing_left();
}

TEST_F(Delegation, FindsTheLinkUpWhenItGivesAndWhenItTakes) {
    const std::string look = "nsenter --net=$CNI_NETNS ip -j link show eth0 >link.$CNI_COMMAND\n";
    scripted.gives(given);
    scripted.on("ADD", look + scripted.text("on.ADD"));
    scripted.on("DEL", look);
    add(config(scripted_ipam));
    expect_done(call("DEL", config(scripted_ipam)));
    for (const char* verb : {"ADD", "DEL"})
        EXPECT_THAT(scripted.text(std::string("link.") + verb), HasSubstr("\"LOWER_UP\"")) << verb;
    expect_nothing_left();
}

TEST_F(Delegation, MayGiveTheDnsUnlessTheConfigurationDoes) {
    Json result = given;
    result["dns"] = {{"domain", "theirs"}};
    scripted.gives(result);
    EXPECT_EQ(add(config(scripted_ipam)).at("dns"), result.at("dns"));
    expect_done(call("DEL", config(scripted_ipam)));
    const Json ours{{"dns", {{"domain", "ours"}}}};
    EXPECT_EQ(add(config(scripted_ipam, ours)).at("dns"), ours.at("dns"));
}

TEST_F(Delegation, RefusesAnAddressThatAnotherPodHas) {
    scripted.gives(given);
    add(config(scripted_ipam));
    const Json before = host.net().state();
    const Pod second{"second"};
    const Output output = call("ADD", config(scripted_ipam), second);
    EXPECT_EQ(refusal_of(output).code, 102);
    EXPECT_THAT(refusal_of(output).message,
                StartsWith("the plugin " + scripted.program() +
                           " gave an address that cannot be had: 10.10.100.50 is held by "
                           "interface eth0 of container pod"));
    EXPECT_EQ(scripted.calls(), "ADD ADD DEL");
    EXPECT_EQ(scripted.variable("DEL", "CNI_CONTAINERID"), "second");
    EXPECT_TRUE(is_unchanged(host.net(), before));
    EXPECT_TRUE(reaches(host.net(), "10.10.100.50"));
}

TEST_F(Delegation, TakesAnAddressBackFromAPodWhoseLinkIsGone) {
    scripted.gives(given);
    const Json result = add(config(scripted_ipam));
    const std::string link = link_of(result);
    host.net().ip("link delete " + link + "\n"); // and no DEL will come
    const Pod second{"second"};
    const auto add_later = [&](const char* seconds) {
        return host.call({.verb = "ADD",
                          .config = config(scripted_ipam),
                          .container = second.id,
                          .netns = second.net.path(),
                          .path = {scripted.path()},
                          .wrapper = {"unshare", "--time", "--boottime", seconds}});
    };
    EXPECT_EQ(refusal_of(add_later("0")).code, 102); // its link might be yet to come
    const Output output = add_later("120");
    EXPECT_EQ(output.status, 0) << output.out << output.err;
    EXPECT_TRUE(reaches(host.net(), "10.10.100.50"));
}

} // namespace
} // namespace scene
