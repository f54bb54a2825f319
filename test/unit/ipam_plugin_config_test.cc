#include "ipam_plugin/config.h"

#include "ipam_plugin/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace ipam_plugin {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

ip::Address address(const char* text) {
    return ip::Address::parse(text);
}

Settings read(const json::Value& more, const std::string& version = "1.1.0",
              const cni::Environment& environment = {}) {
    json::Value document{{"name", "net"}};
    document.update(more);
    return read_settings(json::Field(document), environment, version);
}

Settings read_ipam(const json::Value& ipam) {
    return read({{"ipam", ipam}});
}

std::string span(const ipam::Range& range) {
    return range.first.to_string() + " - " + range.last.to_string();
}

TEST(IpamSettings, HaveTheirDefaults) {
    const Settings settings = read_ipam({{"subnet", "10.1.0.0/16"}});
    EXPECT_EQ(settings.identity.network, "net");
    EXPECT_EQ(settings.identity.data_dir, "/run/ipip-cni");
    EXPECT_THAT(settings.routes, IsEmpty());
    EXPECT_TRUE(settings.dns.is_null());
    EXPECT_THAT(settings.requested, IsEmpty());
    ASSERT_EQ(settings.sets.size(), 1U);
    const Subnet& subnet = settings.sets[0].at(0);
    EXPECT_EQ(span(subnet.range), "10.1.0.1 - 10.1.255.254");
    EXPECT_EQ(subnet.gateway, address("10.1.0.1"));
    EXPECT_THAT(subnet.range.reserved, ElementsAre(address("10.1.0.1")));
    // As host-local takes them.
    const Settings empty =
        read_ipam({{"subnet", "10.1.0.0/16"}, {"dataDir", ""}, {"resolvConf", ""}});
    EXPECT_EQ(empty.identity.data_dir, "/run/ipip-cni");
    EXPECT_TRUE(empty.dns.is_null());
}

TEST(IpamSettings, TakeRangesOfTheRuntimeThenTheShortFormThenTheList) {
    const Settings settings =
        read({{"ipam",
               {{"subnet", "10.2.0.0/24"},
                {"rangeStart", "10.2.0.7"},
                {"rangeEnd", "10.2.0.9"},
                {"gateway", "10.9.9.9"},
                {"ranges", {{{{"subnet", "10.3.0.0/30"}}, {{"subnet", "10.4.0.0/30"}}}}}}},
              {"runtimeConfig", {{"ipRanges", {{{{"subnet", "fd00::/64"}}}}}}}});
    ASSERT_EQ(settings.sets.size(), 3U);
    EXPECT_EQ(settings.sets[0].at(0).block.to_string(), "fd00::/64");
    EXPECT_EQ(span(settings.sets[1].at(0).range), "10.2.0.7 - 10.2.0.9");
    EXPECT_EQ(settings.sets[1].at(0).gateway, address("10.9.9.9"));
    EXPECT_THAT(settings.sets[1].at(0).range.reserved, IsEmpty());
    ASSERT_EQ(settings.sets[2].size(), 2U);
    EXPECT_EQ(settings.sets[2].at(1).gateway, address("10.4.0.1"));
}

TEST(IpamSettings, LeaveOutWhatNoHostMayBearAlsoWhereARangeNamesIt) {
    const Settings settings = read_ipam(
        {{"subnet", "10.1.0.0/24"}, {"rangeStart", "10.1.0.0"}, {"rangeEnd", "10.1.0.255"}});
    EXPECT_EQ(span(settings.sets[0].at(0).range), "10.1.0.1 - 10.1.0.254");
}

TEST(IpamSettings, TakeEachAddressThatIsAskedForOnce) {
    cni::Environment environment{};
    environment.requested = address("10.1.0.7");
    const Settings settings = read({{"ipam", {{"subnet", "10.1.0.0/16"}}},
                                    {"args", {{"cni", {{"ips", {"10.1.0.8", "10.1.0.9/16"}}}}}},
                                    {"runtimeConfig", {{"ips", {"10.1.0.9/16", "10.1.0.7"}}}}},
                                   "1.1.0", environment);
    EXPECT_THAT(settings.requested,
                testing::UnorderedElementsAre(address("10.1.0.7"), address("10.1.0.8"),
                                              address("10.1.0.9")));
}

TEST(IpamSettings, ThatAreWrongAreRefusedByKeyValueAndMend) {
    struct Row {
        json::Value ipam;
        const char* beginning;
        const char* rest;
    };
    const auto set = [](const json::Value& ranges) {
        return json::Value{{"ranges", json::Value::array({ranges})}};
    };
    const auto range = [&](json::Value more) {
        more["subnet"] = "10.1.0.0/24";
        return set(json::Value::array({more}));
    };
    const std::vector<Row> table{
        {nullptr, "ipam: is missing", "say from which ranges"},
        {"ipip-ipam", R"(ipam: "ipip-ipam")", "is not an object"},
        {json::Value::object(), "ipam.ranges: is missing", "name at least one range, such as [[{"},
        {{{"ranges", json::Value::array()}}, "ipam.ranges: is missing", "name at least one range"},
        {{{"ranges", "10.1.0.0/24"}}, R"(ipam.ranges: "10.1.0.0/24")", "is not a list"},
        {set({{"subnet", "10.1.0.0/24"}}), R"(ipam.ranges[0]: {"subnet":"10.1.0.0/24"})",
         "is not a list"},
        {set(json::Value::array()), "ipam.ranges[0]: a set of ranges is empty", "name a subnet"},
        {set({{{"gateway", "10.1.0.1"}}}), "ipam.ranges[0][0].subnet: is missing",
         R"(such as "10.1.0.0/16")"},
        {{{"subnet", 10}}, "ipam.subnet: 10", "is not a string"},
        {{{"subnet", "10.1.0.0"}}, R"(ipam.subnet: "10.1.0.0")", "write one"},
        {{{"subnet", "10.1.2.3/24"}}, R"(ipam.subnet: "10.1.2.3/24")", "10.1.2.0/24"},
        {{{"subnet", "10.1.0.0/31"}},
         "ipam.subnet: 10.1.0.0/31 leaves no address",
         "use a prefix of at most /30"},
        {{{"subnet", "10.1.0.0/32"}}, "ipam.subnet: 10.1.0.0/32 leaves no address", "at most /30"},
        {{{"subnet", "fd00::/128"}}, "ipam.subnet: fd00::/128 leaves no address", "at most /126"},
        {{{"subnet", "fd00::/127"}},
         "ipam: the only address of the range is the gateway, fd00::1",
         "widen the range"},
        {range({{"rangeStart", "10.2.0.1"}}),
         R"(ipam.ranges[0][0].rangeStart: "10.2.0.1" is outside of the subnet 10.1.0.0/24)",
         "name an address inside"},
        {range({{"rangeEnd", "fd00::1"}}),
         R"(ipam.ranges[0][0].rangeEnd: "fd00::1" is outside of the subnet 10.1.0.0/24)",
         "name an address inside"},
        {range({{"rangeStart", "10.1.0.9"}, {"rangeEnd", "10.1.0.8"}}),
         R"(ipam.ranges[0][0]: "rangeStart" and "rangeEnd" leave no address of 10.1.0.0/24)",
         "widen the range"},
        {range({{"rangeStart", "x"}}), R"(ipam.ranges[0][0].rangeStart: "x")", "write one"},
        {range({{"gateway", "10.1.0"}}), R"(ipam.ranges[0][0].gateway: "10.1.0")", "write one"},
        {range({{"gateway", "fd00::1"}}),
         R"(ipam.ranges[0][0].gateway: "fd00::1" is of another family than the subnet 10.1.0.0/24)",
         "name an IPv4 address"},
        {range({{"rangeStart", "10.1.0.1"}, {"rangeEnd", "10.1.0.1"}}),
         "ipam.ranges[0][0]: the only address of the range is the gateway, 10.1.0.1",
         "widen the range"},
        {set({{{"subnet", "10.1.0.0/24"}}, {{"subnet", "fd00::/64"}}}),
         "ipam.ranges[0][1]: a set of ranges mixes IPv4 and IPv6", "make two sets of it"},
        {set({{{"subnet", "10.1.0.0/16"}}, {{"subnet", "10.1.3.0/24"}}}),
         "ipam.ranges[0][1].subnet: the range of 10.1.3.0/24 overlaps that of "
         "ipam.ranges[0][0].subnet",
         "each address belongs in one range"},
        {{{"subnet", "10.1.0.0/24"}, {"ranges", {{{{"subnet", "10.1.0.0/24"}}}}}},
         "ipam.ranges[0][0].subnet: the range of 10.1.0.0/24 overlaps that of ipam.subnet",
         "each address belongs in one range"},
        {{{"subnet", "10.1.0.0/24"}, {"routes", {{{"gw", "10.1.0.1"}}}}},
         "ipam.routes[0].dst: is missing",
         R"(such as "0.0.0.0/0")"},
        {{{"subnet", "10.1.0.0/24"}, {"routes", {{{"dst", "all"}}}}},
         R"(ipam.routes[0].dst: "all")",
         "write one"},
        {{{"subnet", "10.1.0.0/24"}, {"routes", {{{"dst", "0.0.0.0/0"}, {"gw", "x"}}}}},
         R"(ipam.routes[0].gw: "x")",
         "write one"},
        {{{"subnet", "10.1.0.0/24"}, {"dataDir", "leases"}},
         R"(ipam.dataDir: "leases")",
         "give one such as /run/ipip-cni"},
        {{{"subnet", "10.1.0.0/24"}, {"resolvConf", "resolv.conf"}},
         R"(ipam.resolvConf: "resolv.conf")",
         "give one such as /etc/resolv.conf"},
        {{{"subnet", "10.1.0.0/24"}, {"resolvConf", "/nowhere"}},
         R"(ipam.resolvConf: "/nowhere" cannot be read)",
         "name a file as resolv.conf(5) has it"},
        {{{"subnet", "10.1.0.0/24"}, {"resolvConf", "/etc"}},
         R"(ipam.resolvConf: "/etc" cannot be read)",
         "name a file as resolv.conf(5) has it"},
    };
    for (const auto& [ipam, beginning, rest] : table)
        try {
            read_ipam(ipam);
            ADD_FAILURE() << ipam << " is taken";
        } catch (const json::FieldError& error) {
            EXPECT_THAT(error.what(), AllOf(StartsWith(beginning), HasSubstr(rest))) << ipam;
            EXPECT_EQ(describe(error).code, 7U);
        }
}

TEST(IpamSettings, WithARequestThatIsNoneNameIt) {
    const auto refusal = [](const json::Value& more) {
        try {
            json::Value document{{"ipam", {{"subnet", "10.1.0.0/24"}}}};
            document.update(more);
            read(document);
            return std::string("it is taken");
        } catch (const json::FieldError& error) {
            return std::string(error.what());
        }
    };
    EXPECT_THAT(refusal({{"args", {{"cni", {{"ips", {"10.1.0.5", "x"}}}}}}}),
                AllOf(StartsWith(R"(args.cni.ips[1]: "x")"), HasSubstr("write one")));
    EXPECT_THAT(refusal({{"args", {{"cni", {{"ips", "10.1.0.5"}}}}}}),
                StartsWith(R"(args.cni.ips: "10.1.0.5" is not a list)"));
    EXPECT_THAT(refusal({{"runtimeConfig", {{"ips", {5}}}}}),
                StartsWith("runtimeConfig.ips[0]: 5 is not a string"));
    EXPECT_THAT(refusal({{"runtimeConfig", {{"ipRanges", {{{{"subnet", "x"}}}}}}}}),
                StartsWith(R"(runtimeConfig.ipRanges[0][0].subnet: "x")"));
    EXPECT_THAT(refusal({{"runtimeConfig", {{"ipRanges", {{{{"subnet", "10.1.0.0/30"}}}}}}}}),
                HasSubstr("overlaps that of runtimeConfig.ipRanges[0][0].subnet"));
    EXPECT_THAT(refusal({{"name", "a/b"}}), StartsWith(R"(name: "a/b")"));
}

TEST(IpamSettings, BeforeZeroThreeHaveRoomForOneAddressAFamily) {
    const auto sets = [](const char* second) {
        return json::Value{
            {"ipam", {{"ranges", {{{{"subnet", "10.1.0.0/24"}}}, {{{"subnet", second}}}}}}}};
    };
    EXPECT_NO_THROW(read(sets("10.2.0.0/24"), "0.3.0"));
    EXPECT_NO_THROW(read(sets("fd00::/64"), "0.2.0"));
    try {
        read(sets("10.2.0.0/24"), "0.2.0");
        ADD_FAILURE();
    } catch (const json::FieldError& error) {
        EXPECT_STREQ(error.what(), "ipam.ranges: cniVersion 0.2.0 has no room for two addresses of "
                                   "a family; use 0.3.0 or later, or one set a family");
    }
}

/// What a file of these lines gives as DNS.
json::Value dns_of(const std::string& lines) {
    const auto path = std::filesystem::temp_directory_path() /
                      ("ipip-resolv-" + std::to_string(::getpid()) + ".conf");
    std::ofstream(path) << lines;
    const json::Value document{{"ipam", {{"resolvConf", path.string()}}}};
    json::Value dns = read_resolv_conf(json::Field(document));
    std::filesystem::remove(path);
    return dns;
}

TEST(ResolvConf, IsReadAsTheResolverDoes) {
    EXPECT_EQ(dns_of("# comment\n; another\n\nnameserver 10.96.0.10\n  nameserver\tfd00::a # two\n"
                     "domain example.org\nsearch a.example\nsearch b.example c.example\n"
                     "options ndots:5 rotate\noptions edns0\nnameserver\nsortlist 10.0.0.0\n"),
              json::parse(R"({"nameservers": ["10.96.0.10", "fd00::a"], "domain": "example.org",
                              "search": ["b.example", "c.example"],
                              "options": ["ndots:5", "rotate", "edns0"]})"));
    EXPECT_EQ(dns_of("nameserver 10.0.0.1\r\n \t\r\n\nsearch\va\fb\r\n"),
              json::parse(R"({"nameservers": ["10.0.0.1"], "search": ["a", "b"]})"));
    EXPECT_TRUE(dns_of("").is_null());
    EXPECT_TRUE(dns_of("# nothing\n").is_null());
    EXPECT_EQ(dns_of("nameserver 10.0.0.1"), json::parse(R"({"nameservers": ["10.0.0.1"]})"));
}

} // namespace
} // namespace ipam_plugin
