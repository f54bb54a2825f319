#include "cni/result.h"

#include "cni/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cni {
namespace {

Result::Address with_gateway(const char* address, const char* gateway) {
    const auto parsed = ip::Address::parse(address);
    return {.address = parsed,
            .prefix = parsed.bits(),
            .gateway = ip::Address::parse(gateway),
            .interface = 1};
}

Result single_stack() {
    return {.interfaces = {{"vethabc", "02:00:00:00:00:01", 1480, ""},
                           {"eth0", "02:00:00:00:00:02", 1480, "/run/netns/web"}},
            .addresses = {with_gateway("10.10.100.11", "10.10.100.10")},
            .routes = {{.destination = everything(ip::Family::v4),
                        .gateway = ip::Address::parse("10.10.100.10")}},
            .dns = {}};
}

Result dual_stack() {
    Result result = single_stack();
    result.addresses.push_back(with_gateway("fd00:10::b", "fd00:10::a"));
    result.routes.push_back(
        {.destination = everything(ip::Family::v6), .gateway = ip::Address::parse("fd00:10::a")});
    result.dns = json::parse(R"({"nameservers": ["10.96.0.10"], "search": ["svc.local"]})");
    return result;
}

json::Value in_version(const std::string& version, const char* rest) {
    json::Value document = json::parse(rest);
    document["cniVersion"] = version;
    return document;
}

TEST(Result, OfVersion110) {
    EXPECT_EQ(to_json(single_stack(), "1.1.0"), json::parse(R"({
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "vethabc", "mac": "02:00:00:00:00:01", "mtu": 1480},
            {"name": "eth0", "mac": "02:00:00:00:00:02", "mtu": 1480, "sandbox": "/run/netns/web"}],
        "ips": [{"address": "10.10.100.11/32", "gateway": "10.10.100.10", "interface": 1}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.10.100.10"}],
        "dns": {}})"));
    EXPECT_EQ(to_json(dual_stack(), "1.1.0"), json::parse(R"({
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "vethabc", "mac": "02:00:00:00:00:01", "mtu": 1480},
            {"name": "eth0", "mac": "02:00:00:00:00:02", "mtu": 1480, "sandbox": "/run/netns/web"}],
        "ips": [
            {"address": "10.10.100.11/32", "gateway": "10.10.100.10", "interface": 1},
            {"address": "fd00:10::b/128", "gateway": "fd00:10::a", "interface": 1}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.10.100.10"}, {"dst": "::/0", "gw": "fd00:10::a"}],
        "dns": {"nameservers": ["10.96.0.10"], "search": ["svc.local"]}})"));
}

TEST(Result, OfVersion100LacksTheMtu) {
    EXPECT_EQ(to_json(dual_stack(), "1.0.0"), json::parse(R"({
        "cniVersion": "1.0.0",
        "interfaces": [
            {"name": "vethabc", "mac": "02:00:00:00:00:01"},
            {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/web"}],
        "ips": [
            {"address": "10.10.100.11/32", "gateway": "10.10.100.10", "interface": 1},
            {"address": "fd00:10::b/128", "gateway": "fd00:10::a", "interface": 1}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.10.100.10"}, {"dst": "::/0", "gw": "fd00:10::a"}],
        "dns": {"nameservers": ["10.96.0.10"], "search": ["svc.local"]}})"));
}

TEST(Result, OfVersions03And04HasTheFamilyOfEachAddress) {
    for (const char* version : {"0.3.0", "0.3.1", "0.4.0"}) {
        EXPECT_EQ(to_json(dual_stack(), version), in_version(version, R"({
            "interfaces": [
                {"name": "vethabc", "mac": "02:00:00:00:00:01"},
                {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/web"}],
            "ips": [
                {"version": "4", "address": "10.10.100.11/32", "gateway": "10.10.100.10", "interface": 1},
                {"version": "6", "address": "fd00:10::b/128", "gateway": "fd00:10::a", "interface": 1}],
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.10.100.10"}, {"dst": "::/0", "gw": "fd00:10::a"}],
            "dns": {"nameservers": ["10.96.0.10"], "search": ["svc.local"]}})"));
        EXPECT_EQ(to_json(single_stack(), version), in_version(version, R"({
            "interfaces": [
                {"name": "vethabc", "mac": "02:00:00:00:00:01"},
                {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/web"}],
            "ips": [
                {"version": "4", "address": "10.10.100.11/32", "gateway": "10.10.100.10", "interface": 1}],
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.10.100.10"}],
            "dns": {}})"));
    }
}

TEST(Result, OfVersions01And02HasAKeyForEachFamily) {
    for (const char* version : {"0.1.0", "0.2.0"}) {
        EXPECT_EQ(to_json(dual_stack(), version), in_version(version, R"({
            "ip4": {"ip": "10.10.100.11/32", "gateway": "10.10.100.10",
                    "routes": [{"dst": "0.0.0.0/0", "gw": "10.10.100.10"}]},
            "ip6": {"ip": "fd00:10::b/128", "gateway": "fd00:10::a",
                    "routes": [{"dst": "::/0", "gw": "fd00:10::a"}]},
            "dns": {"nameservers": ["10.96.0.10"], "search": ["svc.local"]}})"));
        EXPECT_EQ(to_json(single_stack(), version), in_version(version, R"({
            "ip4": {"ip": "10.10.100.11/32", "gateway": "10.10.100.10",
                    "routes": [{"dst": "0.0.0.0/0", "gw": "10.10.100.10"}]},
            "dns": {}})"));
    }
}

TEST(Result, IsThereInEveryVersionThatIsServed) {
    for (const std::string& version : served_versions())
        EXPECT_EQ(to_json(single_stack(), version).at("cniVersion"), version);
}

TEST(Result, IsReadBackFromEveryVersionAsFarAsThatCanSayIt) {
    for (const std::string& version : served_versions()) {
        const json::Value document = to_json(dual_stack(), version);
        const Result read = read_result(json::Field(document), version);
        EXPECT_EQ(to_json(read, version), document);
        ASSERT_EQ(read.addresses.size(), 2U);
        EXPECT_EQ(read.addresses[0].gateway, ip::Address::parse("10.10.100.10"));
    }
}

TEST(Result, OfAnIpamPluginHasNoInterfaces) {
    const Result given{.interfaces = {},
                       .addresses = {{.address = ip::Address::parse("10.1.2.3"),
                                      .prefix = 16,
                                      .gateway = {},
                                      .interface = {}}},
                       .routes = {},
                       .dns = {}};
    EXPECT_EQ(to_json(given, "1.0.0"), json::parse(R"({
        "cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/16"}], "dns": {}})"));
}

TEST(Result, OfVersion110SaysMoreAboutItsRoutes) {
    const auto route = read_route(json::Field(json::parse(
        R"({"dst": "10.0.0.0/8", "mtu": 1400, "advmss": 1300, "priority": 5, "table": 7, "scope": 0})")));
    Result result = single_stack();
    result.routes = {route};
    EXPECT_EQ(to_json(result, "1.1.0").at("routes"), json::parse(R"([{"dst": "10.0.0.0/8",
        "mtu": 1400, "advmss": 1300, "priority": 5, "table": 7, "scope": 0}])"));
    EXPECT_EQ(to_json(result, "1.0.0").at("routes"), json::parse(R"([{"dst": "10.0.0.0/8"}])"));
}

std::string refused(const std::string& document, const std::string& version = "1.1.0") {
    try {
        read_result(json::Field(json::parse(document)), version);
    } catch (const json::FieldError& error) {
        return error.what();
    }
    return "(no complaint)";
}

TEST(Result, IsRefusedByThePlaceThatIsWrong) {
    using testing::StartsWith;
    EXPECT_THAT(refused("[]"), StartsWith("the document: [] is not an object"));
    EXPECT_THAT(refused(R"({"ips": 5})"), StartsWith("ips: 5 is not a list"));
    EXPECT_THAT(refused(R"({"ips": [{}]})"), StartsWith("ips[0].address: is missing"));
    EXPECT_THAT(refused(R"({"ips": [{"address": "10.1.2.3/33"}]})"),
                StartsWith("ips[0].address: "));
    EXPECT_THAT(refused(R"({"ips": [{"address": "10.1.2.3/24", "interface": 0}]})"),
                StartsWith("ips[0].interface: 0 is the index of no entry"));
    EXPECT_THAT(refused(R"({"interfaces": [{"mac": "x"}]})"),
                StartsWith("interfaces[0].name: is missing"));
    EXPECT_THAT(refused(R"({"routes": [{"dst": "x"}]})"), StartsWith("routes[0].dst: "));
    EXPECT_THAT(refused(R"({"ip4": {"ip": 5}})", "0.2.0"), StartsWith("ip4.ip: 5"));
}

TEST(PreviousResult, IsNoneWhereThePluginIsTheFirst) {
    EXPECT_FALSE(read_previous(json::Field(json::parse("{}")), "1.0.0"));
}

TEST(PreviousResult, IsOfTheConfigurationsVersion) {
    const auto config = json::parse(R"({"prevResult": {"cniVersion": "0.4.0", "ips": []}})");
    EXPECT_TRUE(read_previous(json::Field(config), "0.4.0"));
    try {
        read_previous(json::Field(config), "1.0.0");
        ADD_FAILURE() << "no complaint";
    } catch (const json::FieldError& error) {
        EXPECT_THAT(error.what(), testing::StartsWith("prevResult.cniVersion: \"0.4.0\" is not"));
    }
}

TEST(PreviousResult, StaysInFrontOfWhatIsAdded) {
    const auto previous = json::parse(R"({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "lo", "sandbox": "/run/netns/web", "socketPath": "/x"}],
        "ips": [{"address": "127.0.0.1/8", "interface": 0}],
        "dns": {"domain": "example.org"}})");
    EXPECT_EQ(merge(previous, to_json(single_stack(), "1.0.0")), json::parse(R"({
        "cniVersion": "1.0.0",
        "interfaces": [
            {"name": "lo", "sandbox": "/run/netns/web", "socketPath": "/x"},
            {"name": "vethabc", "mac": "02:00:00:00:00:01"},
            {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/web"}],
        "ips": [
            {"address": "127.0.0.1/8", "interface": 0},
            {"address": "10.10.100.11/32", "gateway": "10.10.100.10", "interface": 2}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.10.100.10"}],
        "dns": {"domain": "example.org"}})"));
}

TEST(PreviousResult, IsMergedWhereThereIsRoomForOneAddressAFamily) {
    const auto previous = json::parse(R"({
        "ip4": {"ip": "10.1.0.5/24"}, "ip6": null, "dns": {"domain": "example.org"}})");
    EXPECT_EQ(merge(previous, to_json(dual_stack(), "0.2.0")), json::parse(R"({
        "cniVersion": "0.2.0",
        "ip4": {"ip": "10.1.0.5/24"},
        "ip6": {"ip": "fd00:10::b/128", "gateway": "fd00:10::a",
                "routes": [{"dst": "::/0", "gw": "fd00:10::a"}]},
        "dns": {"domain": "example.org"}})"));
}

TEST(PreviousResult, ThatHasNullForADnsGetsAnEmptyOne) {
    const auto previous = json::parse(R"({"interfaces": null, "ips": null, "dns": null})");
    EXPECT_EQ(merge(previous, to_json(single_stack(), "1.0.0")), to_json(single_stack(), "1.0.0"));
}

} // namespace
} // namespace cni
