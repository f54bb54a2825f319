#include "test/system/cluster.h"

#include <gmock/gmock.h>

// `ipip-ipam` in host-local's place under other interface plugins: nothing but `ipam.type` changes.

namespace scene {
namespace {

/// An interface plugin's configuration, and how to make a host ready for it.
struct Interface {
    const char* name;
    const char* config;
    const char* subnet; ///< of the pods
    bool meets_host;    ///< a pod and its host reach each other
};

// Keeps a test's name short.
void PrintTo(const Interface& interface, std::ostream* stream) {
    *stream << interface.name;
}

const std::vector<Interface> interfaces{
    {"ptp", R"({"type": "ptp"})", "10.1.2.0/24", true},
    {"bridge", R"({"type": "bridge", "bridge": "cni0", "isGateway": true})", "10.1.2.0/24", true},
    // On the wire itself, which its namespace ends as the gateway.
    {"macvlan", R"({"type": "macvlan", "master": "eth0", "mode": "bridge"})", "172.16.5.0/24",
     false},
};

class DropIn : public ::testing::TestWithParam<Interface> {
  protected:
    DropIn() { cluster.wire().ip("address add 172.16.5.1/24 dev br0\n"); }

    Json config(const std::string& ipam) const {
        Json document = Json::parse(GetParam().config);
        document["name"] = "net";
        document["cniVersion"] = "1.0.0";
        document["ipam"] = {
            {"type", ipam},
            {"dataDir", "/run/" + ipam},
            {"ranges", {{{{"subnet", GetParam().subnet}, {"rangeStart", start()}}}}},
            {"routes", {{{"dst", "0.0.0.0/0"}}}}};
        return document;
    }
    std::string start() const {
        const std::string subnet = GetParam().subnet;
        return subnet.substr(0, subnet.rfind('.')) + ".200";
    }
    Output call(const char* verb, const Pod& pod, const Json& document,
                const std::string& program = GetParam().name) const {
        return host.call({.verb = verb,
                          .config = document.dump(),
                          .container = pod.id,
                          .netns = pod.net.path(),
                          .program = program});
    }
    Json add(const Pod& pod, const std::string& ipam) const {
        const Output output = call("ADD", pod, config(ipam));
        EXPECT_EQ(output.status, 0) << output.out << output.err;
        return output.status == 0 ? Json::parse(output.out) : Json();
    }
    Output check(const Pod& pod, const std::string& ipam, const Json& result) const {
        Json document = config(ipam);
        document["prevResult"] = result;
        return call("CHECK", pod, document);
    }
    void del(const Pod& pod, const std::string& ipam) const {
        const Output output = call("DEL", pod, config(ipam));
        EXPECT_EQ(output.status, 0) << output.out << output.err;
    }

    Cluster cluster{1};
    Host& host = cluster.host(1);
    Pod web{"web"};
    Pod db{"db"};
};

TEST_P(DropIn, PodsGetTheAddressesThatHostLocalWouldGiveThem) {
    const auto given = [&](const std::string& ipam) {
        const Json result = add(web, ipam);
        del(web, ipam);
        return Json{result.at("ips"), result.at("routes"), result.at("dns")};
    };
    EXPECT_EQ(given("ipip-ipam"), given("host-local"));
}

TEST_P(DropIn, PodsReachEachOtherAndWhatIsAround) {
    const std::string address = address_of(add(web, "ipip-ipam"));
    const std::string other = address_of(add(db, "ipip-ipam"));
    EXPECT_NE(address, other);
    EXPECT_TRUE(reaches(web.net, other));
    EXPECT_TRUE(reaches(db.net, address));
    if (GetParam().meets_host) {
        EXPECT_TRUE(reaches(host.net(), address));
        EXPECT_TRUE(reaches(web.net, "172.16.5.126"));
    } else {
        EXPECT_TRUE(reaches(web.net, "172.16.5.1"));
    }
}

TEST_P(DropIn, CheckSeesWhetherTheAddressIsHeld) {
    const Json result = add(web, "ipip-ipam");
    EXPECT_EQ(check(web, "ipip-ipam", result).status, 0) << check(web, "ipip-ipam", result).out;
    EXPECT_EQ(call("DEL", web, config("ipip-ipam"), "ipip-ipam").status, 0);
    const Refused refused = refusal_of(check(web, "ipip-ipam", result));
    EXPECT_EQ(refused.code, 106);
    EXPECT_THAT(refused.message, ::testing::HasSubstr("no address is leased to interface eth0 of "
                                                      "container web"));
}

TEST_P(DropIn, DelFreesTheAddressAndOnlyThat) {
    const std::string address = address_of(add(web, "ipip-ipam"));
    add(db, "ipip-ipam");
    del(web, "ipip-ipam");
    del(web, "ipip-ipam");
    Json asking = config("ipip-ipam");
    asking["args"]["cni"]["ips"] = {address};
    Pod heir{"heir"};
    const Output output = call("ADD", heir, asking);
    EXPECT_EQ(output.status, 0) << output.out;
    EXPECT_EQ(call("CHECK", db, config("ipip-ipam"), "ipip-ipam").status, 0);
}

TEST_P(DropIn, AFailedAddHoldsNothing) {
    Json asking = config("ipip-ipam");
    asking["args"]["cni"]["ips"] = {"192.0.2.7"};
    const Refused refused = refusal_of(call("ADD", web, asking));
    EXPECT_EQ(refused.code, 102);
    EXPECT_THAT(refused.message, ::testing::HasSubstr("192.0.2.7 is outside of"));
    EXPECT_EQ(refusal_of(call("CHECK", web, config("ipip-ipam"), "ipip-ipam")).code, 106);
}

INSTANTIATE_TEST_SUITE_P(Under, DropIn, ::testing::ValuesIn(interfaces),
                         [](const auto& interface) { return std::string(interface.param.name); });

} // namespace
} // namespace scene
