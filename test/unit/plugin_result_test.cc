#include "plugin/result.h"

#include "plugin/config.h"

#include <gtest/gtest.h>

namespace plugin {
namespace {

Result single_stack() {
    return {.host = {"vethabc", ip::Mac::parse("02:00:00:00:00:01"), 1480},
            .pod = {"eth0", ip::Mac::parse("02:00:00:00:00:02"), 1480},
            .sandbox = "/run/netns/web",
            .addresses = {{ip::Address::parse("10.10.100.11"), ip::Address::parse("10.10.100.10")}},
            .dns = {}};
}

Result dual_stack() {
    Result result = single_stack();
    result.addresses.push_back(
        {ip::Address::parse("fd00:10::b"), ip::Address::parse("fd00:10::a")});
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

} // namespace
} // namespace plugin
