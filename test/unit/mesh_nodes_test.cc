#include "mesh/nodes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace mesh {
namespace {

using json::FieldError;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

ip::Address address(std::string_view text) {
    return ip::Address::parse(text);
}
ip::Cidr cidr(std::string_view text) {
    return ip::Cidr::parse(text);
}

std::vector<Node> read(const json::Value& list) {
    const json::Value document{{"nodes", list}};
    return read_nodes(*json::Field(document).find("nodes"));
}

std::string refused(const json::Value& list) {
    try {
        read(list);
    } catch (const json::UnsupportedError& error) { // not to be taken for its base
        return std::string("unsupported: ") + error.what();
    } catch (const FieldError& error) {
        return error.what();
    }
    return "(no complaint)";
}

/// A list of the two hosts of the documentation, the second with some of its members replaced.
json::Value with_second(const char* replacements) {
    json::Value list = json::parse(R"([
        {"name": "host1", "addresses": ["172.16.5.126"], "podCIDRs": ["10.10.100.0/24"]},
        {"name": "host2", "addresses": ["172.16.5.127"], "podCIDRs": ["10.10.200.0/24"]}])");
    list[1].update(json::parse(replacements));
    return list;
}

const std::vector<Node> two{{.name = "host1",
                             .addresses = {address("172.16.5.126")},
                             .pod_cidrs = {cidr("10.10.100.0/24")},
                             .tunnel_addresses = {address("10.10.100.1")}},
                            {.name = "host2",
                             .addresses = {address("172.16.5.127")},
                             .pod_cidrs = {cidr("10.10.200.0/24")},
                             .tunnel_addresses = {address("10.10.200.1")}}};

TEST(Nodes, AreReadWithTheFirstUsableAddressAsTheEndpoint) {
    EXPECT_EQ(read(with_second("{}")), two);
}

TEST(Nodes, MayNameTheirEndpoint) {
    std::vector<Node> wanted = two;
    wanted[1].tunnel_addresses = {address("10.10.200.10")};
    EXPECT_EQ(read(with_second(R"({"tunnelAddresses": ["10.10.200.10"]})")), wanted);
}

TEST(Nodes, MayNameAnEndpointInAnyOfTheirCidrs) {
    const auto nodes = read(with_second(
        R"({"podCIDRs": ["10.10.200.0/24", "10.10.201.0/24"], "tunnelAddresses": ["10.10.201.254"]})"));
    EXPECT_THAT(nodes[1].tunnel_addresses, ElementsAre(address("10.10.201.254")));
    EXPECT_THAT(nodes[1].pod_cidrs, ElementsAre(cidr("10.10.200.0/24"), cidr("10.10.201.0/24")));
}

TEST(Nodes, ComputeAnEndpointInTheirFirstCidr) {
    const auto nodes = read(with_second(
        R"({"podCIDRs": ["10.10.201.0/24", "10.10.200.0/24"], "tunnelAddresses": []})"));
    EXPECT_THAT(nodes[1].tunnel_addresses, ElementsAre(address("10.10.201.1")));
}

TEST(Nodes, MayHaveACidrWithRoomForOnePod) {
    const auto nodes = read(with_second(R"({"podCIDRs": ["10.10.200.4/30"]})"));
    EXPECT_THAT(nodes[1].tunnel_addresses, ElementsAre(address("10.10.200.5")));
}

TEST(Nodes, MayBeOneAlone) {
    EXPECT_EQ(read(json::Value{with_second("{}")[0]}).size(), 1U);
}

struct Bad {
    const char* replacements; ///< of members of the second host
    const char* key;          ///< with which the message begins
    const char* value;
    const char* mend;
};

TEST(Nodes, AreRefusedByKeyValueAndMend) {
    const Bad table[] = {
        {R"({"name": null})", "nodes[1].name: ", "is missing", "give the node a name"},
        {R"({"name": 5})", "nodes[1].name: ", "5", "is not a string"},
        {R"({"name": ""})", "nodes[1].name: ", R"("")", "use 1 to 200 letters"},
        {R"({"name": "a/b"})", "nodes[1].name: ", R"("a/b")", "use 1 to 200 letters"},
        {R"({"name": "a b"})", "nodes[1].name: ", R"("a b")", "use 1 to 200 letters"},
        {R"({"name": "a\n"})", "nodes[1].name: ", R"("a\n")", "use 1 to 200 letters"},
        {R"({"name": "h\u00f4te"})", "nodes[1].name: ", "\"h\u00f4te\"", "use 1 to 200 letters"},
        {R"({"addresses": null})", "nodes[1].addresses: ", "is missing", "[\"172.16.5.126\"]"},
        {R"({"addresses": []})", "nodes[1].addresses: ", "[]", "list the node's own"},
        {R"({"addresses": "172.16.5.127"})", "nodes[1].addresses: ", R"("172.16.5.127")", "a list"},
        {R"({"addresses": [7]})", "nodes[1].addresses[0]: ", "7", "is not a string"},
        {R"({"addresses": ["172.16.5"]})", "nodes[1].addresses[0]: ", R"("172.16.5")", "write one"},
        {R"({"addresses": ["host2"]})", "nodes[1].addresses[0]: ", R"("host2")", "write one"},
        {R"({"addresses": ["172.16.5.127/24"]})", "nodes[1].addresses[0]: ", "127/24", "write one"},
        {R"({"addresses": ["172.16.5.127", "172.16.5.128"]})", "nodes[1].addresses[1]: ",
         R"("172.16.5.128" is a second IPv4 address)", "leave one a family"},
        {R"({"addresses": ["0.0.0.0"]})", "nodes[1].addresses[0]: ", R"("0.0.0.0")",
         "give the address"},
        {R"({"addresses": ["127.0.0.1"]})", "nodes[1].addresses[0]: ", "127.0.0.1",
         "give the address"},
        {R"({"addresses": ["224.0.0.1"]})", "nodes[1].addresses[0]: ", "224.0.0.1",
         "give the address"},
        {R"({"addresses": ["255.255.255.255"]})", "nodes[1].addresses[0]: ", "255",
         "give the address"},
        {R"({"podCIDRs": null})", "nodes[1].podCIDRs: ", "is missing", "[\"10.10.100.0/24\"]"},
        {R"({"podCIDRs": []})", "nodes[1].podCIDRs: ", "[]", "list the node's own"},
        {R"({"podCIDRs": {}})", "nodes[1].podCIDRs: ", "{}", "is not a list"},
        {R"({"podCIDRs": [true]})", "nodes[1].podCIDRs[0]: ", "true", "is not a string"},
        {R"({"podCIDRs": ["10.10.200.0"]})", "nodes[1].podCIDRs[0]: ", "10.10.200.0", "write one"},
        {R"({"podCIDRs": ["10.10.200.0/33"]})", "nodes[1].podCIDRs[0]: ", "/33", "from 0 to 32"},
        {R"({"podCIDRs": ["10.10.200.0/-1"]})", "nodes[1].podCIDRs[0]: ", "/-1", "from 0 to 32"},
        {R"({"podCIDRs": ["10.10.200.0/24 "]})", "nodes[1].podCIDRs[0]: ", "/24 ", "from 0 to 32"},
        {R"({"podCIDRs": ["10.10.200.9/24"]})",
         "nodes[1].podCIDRs[0]: ", R"("10.10.200.9/24" has host bits set)", "write 10.10.200.0/24"},
        {R"({"podCIDRs": ["10.10.200.4/31"]})",
         "nodes[1].podCIDRs[0]: ", R"("10.10.200.4/31" is too small)", "give a /30 or larger"},
        {R"({"podCIDRs": ["10.10.200.4/32"]})",
         "nodes[1].podCIDRs[0]: ", R"("10.10.200.4/32" is too small)", "give a /30 or larger"},
        {R"({"podCIDRs": ["0.0.0.0/0"]})", "nodes[1].podCIDRs[0]: ", "0.0.0.0/0", "give a network"},
        {R"({"podCIDRs": ["126.0.0.0/7"]})", "nodes[1].podCIDRs[0]: ", "126.0.0.0/7",
         "give a network"},
        {R"({"podCIDRs": ["239.1.0.0/16"]})", "nodes[1].podCIDRs[0]: ", "239.1", "give a network"},
        {R"({"tunnelAddresses": "10.10.200.10"})", "nodes[1].tunnelAddresses: ", "10.10.200.10",
         "a list"},
        {R"({"tunnelAddresses": [1]})", "nodes[1].tunnelAddresses[0]: ", "1", "is not a string"},
        {R"({"tunnelAddresses": ["x"]})", "nodes[1].tunnelAddresses[0]: ", R"("x")", "write one"},
        {R"({"tunnelAddresses": ["10.10.100.10"]})", "nodes[1].tunnelAddresses[0]: ",
         R"("10.10.100.10" is outside the node's podCIDRs)", "give an address of 10.10.200.0/24"},
        {R"({"tunnelAddresses": ["10.10.200.0"]})", "nodes[1].tunnelAddresses[0]: ",
         R"("10.10.200.0" is the network's own)", "give one from 10.10.200.1 to 10.10.200.254"},
        {R"({"tunnelAddresses": ["10.10.200.255"]})", "nodes[1].tunnelAddresses[0]: ",
         R"("10.10.200.255" is the network's own or its broadcast)", "to 10.10.200.254"},
        {R"({"tunnelAddresses": ["10.10.200.3", "10.10.200.4"]})", "nodes[1].tunnelAddresses[1]: ",
         R"("10.10.200.4" is a second IPv4 endpoint)", "leave one a family"},
        {R"({"tunnelAddresses": ["fd00::1"]})", "nodes[1].tunnelAddresses[0]: ",
         R"("fd00::1" is outside)", "give an address of 10.10.200.0/24"},
    };
    for (const auto& [replacements, key, value, mend] : table)
        EXPECT_THAT(refused(with_second(replacements)),
                    AllOf(StartsWith(key), HasSubstr(value), HasSubstr(mend)))
            << replacements;
}

TEST(Nodes, AreRefusedWhereTwoClash) {
    const Bad table[] = {
        {R"({"name": "host1"})", R"(nodes[1].name: "host1")", R"(nodes[0].name, "host1")",
         "its own name"},
        {R"({"addresses": ["172.16.5.126"]})", R"(nodes[1].addresses[0]: "172.16.5.126")",
         R"(nodes[0].addresses[0], "172.16.5.126")", "give each its own"},
        {R"({"podCIDRs": ["10.10.100.0/24"]})",
         R"(nodes[1].podCIDRs[0]: "10.10.100.0/24" overlaps)",
         R"(nodes[0].podCIDRs[0], "10.10.100.0/24")", "give each node its own"},
        {R"({"podCIDRs": ["10.10.100.128/25"]})", R"(nodes[1].podCIDRs[0]: "10.10.100.128/25")",
         R"(nodes[0].podCIDRs[0], "10.10.100.0/24")", "give each node its own"},
        {R"({"podCIDRs": ["10.10.0.0/16"]})", R"(nodes[1].podCIDRs[0]: "10.10.0.0/16")",
         R"(nodes[0].podCIDRs[0], "10.10.100.0/24")", "give each node its own"},
        {R"({"podCIDRs": ["10.9.0.0/24", "10.9.0.0/24"]})",
         R"(nodes[1].podCIDRs[1]: "10.9.0.0/24")", R"(nodes[1].podCIDRs[0], "10.9.0.0/24")",
         "give each node its own"},
        {R"({"addresses": ["10.10.100.9"]})", R"(nodes[1].addresses[0]: "10.10.100.9" lies in)",
         R"(nodes[0].podCIDRs[0], "10.10.100.0/24")", "give an address outside of all podCIDRs"},
        {R"({"addresses": ["10.10.200.0"]})", R"(nodes[1].addresses[0]: "10.10.200.0" lies in)",
         R"(nodes[1].podCIDRs[0], "10.10.200.0/24")", "give an address outside of all podCIDRs"},
    };
    for (const auto& [replacements, key, value, mend] : table)
        EXPECT_THAT(refused(with_second(replacements)),
                    AllOf(StartsWith(key), HasSubstr(value), HasSubstr(mend)))
            << replacements;
}

TEST(Nodes, MayHaveAnAddressNextToAPodNetwork) {
    for (const char* next :
         {R"({"addresses": ["10.10.99.255"]})", R"({"addresses": ["10.10.101.0"]})",
          R"({"addresses": ["10.10.199.255"]})", R"({"addresses": ["10.10.201.0"]})"})
        EXPECT_EQ(read(with_second(next)).size(), 2U) << next;
}

TEST(Nodes, AreRefusedWhereTheListIsNone) {
    EXPECT_EQ(refused(json::parse("[]")),
              "nodes: [] holds no node; list every node of the cluster, this one too");
    EXPECT_EQ(refused("host1"), R"(nodes: "host1" is not a list)");
    EXPECT_EQ(refused(json::parse(R"(["host1"])")), R"(nodes[0]: "host1" is not an object)");
}

TEST(Nodes, OfIpv6AreYetToCome) {
    EXPECT_THAT(refused(with_second(R"({"addresses": ["fd00::1"]})")),
                AllOf(StartsWith(R"(unsupported: nodes[1].addresses[0]: "fd00::1")"),
                      HasSubstr("not supported yet"), HasSubstr("give the node's IPv4 address")));
    EXPECT_THAT(refused(with_second(R"({"podCIDRs": ["fd00::/64"]})")),
                AllOf(StartsWith(R"(unsupported: nodes[1].podCIDRs[0]: "fd00::/64")"),
                      HasSubstr("not supported yet"), HasSubstr("such as 10.10.100.0/24")));
}

/// A node for each of `cidrs`.
json::Value nodes_with(const std::vector<ip::Cidr>& cidrs) {
    json::Value list = json::Value::array();
    for (std::size_t i = 0; i < cidrs.size(); ++i)
        list.push_back({{"name", "host" + std::to_string(i)},
                        {"addresses", {"172.16.5." + std::to_string(i + 1)}},
                        {"podCIDRs", {cidrs[i].to_string()}}});
    return list;
}

TEST(Nodes, OverlapHoweverFarApartInTheList) {
    EXPECT_THAT(refused(nodes_with({cidr("10.0.0.0/8"), cidr("11.0.0.0/24"), cidr("9.0.0.0/24"),
                                    cidr("10.200.0.0/24")})),
                StartsWith("nodes[3].podCIDRs[0]: \"10.200.0.0/24\" overlaps another pod network, "
                           "give each node its own: nodes[0].podCIDRs[0], \"10.0.0.0/8\""));
}

TEST(Nodes, OverlapExactlyWhereComparingEachWithEachSaysSo) {
    std::mt19937 random(94);
    const auto pick = [&](unsigned from, unsigned to) {
        return std::uniform_int_distribution<unsigned>(from, to)(random);
    };
    int overlapping = 0;
    constexpr int rounds = 300;
    for (int round = 0; round < rounds; ++round) {
        std::vector<ip::Cidr> cidrs(pick(1, 5));
        for (ip::Cidr& block : cidrs)
            block = {ip::Address::from_bytes(std::vector{std::uint8_t{10}, std::uint8_t{0},
                                                         std::uint8_t{0},
                                                         static_cast<std::uint8_t>(pick(0, 255))}),
                     pick(24, 30)};
        bool overlap = false;
        for (std::size_t i = 0; i < cidrs.size(); ++i)
            for (std::size_t j = 0; j < i; ++j)
                overlap |= cidrs[i].overlaps(cidrs[j]);
        const std::string why = refused(nodes_with(cidrs));
        overlapping += overlap ? 1 : 0;
        ASSERT_EQ(overlap, why.find("overlaps") != std::string::npos) << nodes_with(cidrs) << why;
    }
    EXPECT_GT(overlapping, rounds / 10); // both answers were asked for
    EXPECT_LT(overlapping, rounds * 9 / 10);
}

std::string lost(const std::vector<Node>& nodes, const std::optional<std::string>& name,
                 const std::vector<ip::Address>& local) {
    try {
        find_self(nodes, name, local);
    } catch (const FieldError& error) {
        return error.what();
    }
    return "(found)";
}

TEST(FindSelf, GoesByTheName) {
    EXPECT_EQ(find_self(two, "host2", {address("172.16.5.126")}), 1U);
}

TEST(FindSelf, GoesByAnAddressOfTheHost) {
    EXPECT_EQ(find_self(two, {}, {address("127.0.0.1"), address("172.16.5.127")}), 1U);
    EXPECT_EQ(find_self(two, {}, {address("172.16.5.126")}), 0U);
}

TEST(FindSelf, DoesNotGoByTheEndpoint) {
    EXPECT_THAT(lost(two, {}, {address("10.10.100.1")}), StartsWith("nodes: no entry"));
}

TEST(FindSelf, NamesWhatTheHostHasWhereNoNodeIsIt) {
    EXPECT_EQ(
        lost(two, {}, {address("127.0.0.1"), address("192.0.2.7"), address("192.0.2.8")}),
        "nodes: no entry has an address of this host (192.0.2.7, 192.0.2.8); add this host, or "
        "name its entry with nodeName");
    EXPECT_THAT(lost(two, {}, {}), HasSubstr("(it has none)"));
    std::vector<ip::Address> many;
    for (int i = 1; i < 10; ++i)
        many.push_back(address("192.0.2." + std::to_string(i)));
    EXPECT_THAT(lost(two, {}, many),
                HasSubstr("(192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, ...)"));
}

TEST(FindSelf, RefusesANameThatIsNotInTheList) {
    EXPECT_EQ(lost(two, "host3", {address("172.16.5.126")}),
              "nodeName: \"host3\" is no node of the list; add it to nodes or correct the name");
}

TEST(FindSelf, RefusesTwoNodesOnThisHost) {
    const std::vector both{address("172.16.5.126"), address("172.16.5.127")};
    EXPECT_THAT(lost(two, {}, both),
                AllOf(StartsWith("nodes: both \"host1\" and \"host2\""), HasSubstr("nodeName")));
    EXPECT_EQ(find_self(two, "host2", both), 1U); // which the name settles
}

TEST(Node, HasAnAddressOfAFamilyOrNone) {
    const std::vector both{address("fd00::1"), address("10.0.0.1")};
    EXPECT_EQ(address_in(ip::Family::v4, both), address("10.0.0.1"));
    EXPECT_EQ(address_in(ip::Family::v6, both), address("fd00::1"));
    EXPECT_EQ(address_in(ip::Family::v4, {}), std::nullopt);
}

} // namespace
} // namespace mesh
