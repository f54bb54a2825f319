#include "pods/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unordered_set>

namespace pods {
namespace {

using testing::EndsWith;
using testing::MatchesRegex;
using testing::StartsWith;

// Fixed for good: DEL must find what an older version of the plugin made.
TEST(LinkNames, AreWhatTheyHaveAlwaysBeen) {
    EXPECT_EQ(host_link_name({"podnet", "c0ffee", "eth0"}), "veth75670d19184");
    EXPECT_EQ(link_mac({"podnet", "c0ffee", "eth0"}, End::host).to_string(), "86:7c:34:78:4e:91");
    EXPECT_EQ(link_mac({"podnet", "c0ffee", "eth0"}, End::pod).to_string(), "36:30:da:f2:7f:f7");
}

TEST(LinkNames, FillTheFifteenCharactersOfTheKernel) {
    for (const char* container : {"", "a", "c0ffee"}) {
        const std::string name = host_link_name({"podnet", container, "eth0"});
        EXPECT_EQ(name.size(), 15U);
        EXPECT_THAT(name, MatchesRegex("veth[0-9a-f]+"));
    }
}

TEST(LinkNames, DifferWithEachPartOfTheAttachment) {
    const std::unordered_set<std::string> names{
        host_link_name({"podnet", "c0ffee", "eth0"}), host_link_name({"podnet", "c0ffee", "eth1"}),
        host_link_name({"podnet", "c0ffe", "eth0"}),  host_link_name({"podne", "c0ffee", "eth0"}),
        host_link_name({"podnetc", "0ffee", "eth0"}), host_link_name({"podnet", "c0ffeee", "th0"})};
    EXPECT_EQ(names.size(), 6U);
}

TEST(LinkNames, OfAHundredThousandAttachmentsAllDiffer) {
    constexpr int attachments = 100'000;
    std::unordered_set<std::string> names;
    for (int i = 0; i < attachments; ++i)
        names.insert(host_link_name({"podnet", std::to_string(i), "eth0"}));
    EXPECT_EQ(names.size(), std::size_t{attachments});
}

TEST(LinkMac, IsALocalOneOfASingleInterface) {
    for (int i = 0; i < 1000; ++i)
        for (const End end : {End::host, End::pod})
            ASSERT_EQ(link_mac({"podnet", std::to_string(i), "eth0"}, end).bytes[0] & 3, 2);
}

TEST(LinkMac, DiffersAtTheTwoEnds) {
    EXPECT_NE(link_mac({"podnet", "c0ffee", "eth0"}, End::host),
              link_mac({"podnet", "c0ffee", "eth0"}, End::pod));
}

cni::Environment environment_with(std::map<std::string, std::string> args) {
    return {.verb = cni::Verb::add,
            .container_id = "c0ffee",
            .interface = "eth0",
            .netns = {},
            .path = {},
            .args = std::move(args),
            .requested = {},
            .mac = {}};
}

TEST(LinkAlias, NamesThePodOrElseTheContainer) {
    EXPECT_EQ(host_link_alias("podnet", environment_with({{"K8S_POD_NAMESPACE", "default"},
                                                          {"K8S_POD_NAME", "web-0"}})),
              "podnet: default/web-0 c0ffee eth0");
    EXPECT_EQ(host_link_alias("podnet", environment_with({})), "podnet: c0ffee eth0");
    EXPECT_EQ(host_link_alias("podnet", environment_with({{"K8S_POD_NAMESPACE", "default"}})),
              "podnet: c0ffee eth0");
}

// The kernel takes 255 bytes.
TEST(LinkAlias, HasNoPodWhereThereIsNoRoom) {
    const auto with_name_of = [](std::size_t size) {
        return host_link_alias("podnet",
                               environment_with({{"K8S_POD_NAMESPACE", "default"},
                                                 {"K8S_POD_NAME", std::string(size, 'x')}}));
    };
    EXPECT_EQ(with_name_of(227).size(), 255U);
    EXPECT_EQ(with_name_of(228), "podnet: c0ffee eth0");
    EXPECT_EQ(host_link_alias(std::string(300, 'n'), environment_with({})).size(), 255U);
}

netlink::Link link_with(const std::string& name, const std::string& alias,
                        const ip::Mac& mac = {}) {
    netlink::Link link;
    link.name = name;
    link.alias = alias;
    link.mac = mac;
    return link;
}

TEST(LinkAlias, TellsTheOwner) {
    const ipam::Owner owner{"podnet", "c0ffee", "eth0"};
    const std::string name = host_link_name(owner);
    const ip::Mac mac = link_mac(owner, End::host);
    const auto owner_of = [](const std::string& link, const std::string& alias,
                             const ip::Mac& address) {
        return owner_of_host_link(link_with(link, alias, address));
    };
    EXPECT_EQ(owner_of(name, "podnet: c0ffee eth0", mac), owner);
    EXPECT_EQ(owner_of(name, "podnet: default/web-0 c0ffee eth0", {}), owner);
    EXPECT_EQ(owner_of("renamed", "podnet: default/web-0 c0ffee eth0", mac), owner);
    for (const char* alias :
         {"podnet: default/web-0 eth0", "podnet: c0ffee eth1", "podnet: c0ffee eth0 ",
          "podnet: ", "podnet: c0ffee", "othernet: c0ffee eth0", "c0ffee eth0", " ", ""})
        EXPECT_EQ(owner_of(name, alias, mac), std::nullopt) << alias;
    EXPECT_EQ(owner_of("veth0123456789a", "podnet: c0ffee eth0", {}), std::nullopt);
}

TEST(HostLink, TellsItsNetwork) {
    const auto network_of = [](const std::string& name, const std::string& alias) {
        return network_of_host_link(link_with(name, alias));
    };
    EXPECT_EQ(network_of("veth75670d19184", "podnet: c0ffee eth0"), "podnet");
    EXPECT_EQ(network_of("veth0123456789a", "podnet: of an earlier version"), "podnet");
    EXPECT_EQ(network_of("veth75670d19184", "a.b-c_9: default/web eth0"), "a.b-c_9");
    for (const char* foreign : {"", "podnet", "podnet:", "podnet:x", ": x", "my note: x", "-a: x"})
        EXPECT_EQ(network_of("veth75670d19184", foreign), std::nullopt) << foreign;
    for (const char* foreign : {"veth7567", "veth75670d1918", "veth75670d1918g", "vetx75670d19184"})
        EXPECT_EQ(network_of(foreign, "podnet: c0ffee eth1"), std::nullopt) << foreign;
}

TEST(HostLink, OfAnotherNameTellsItsNetworkByItsAddress) {
    const ip::Mac mac = link_mac({"podnet", "c0ffee", "eth0"}, End::host);
    EXPECT_EQ(network_of_host_link(link_with("renamed", "podnet: c0ffee eth0", mac)), "podnet");
    EXPECT_EQ(network_of_host_link(link_with("renamed", "podnet: c0ffee eth1", mac)), std::nullopt);
    EXPECT_EQ(network_of_host_link(link_with("renamed", "othernet: c0ffee eth0", mac)),
              std::nullopt);
}

} // namespace
} // namespace pods
