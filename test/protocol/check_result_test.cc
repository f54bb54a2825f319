#include "test/system/cluster.h"

#include <gmock/gmock.h>

// CHECK of an attachment that is well, with a result that is not the one of its ADD.

namespace scene {
namespace {

using ::testing::HasSubstr;

struct Wrong {
    std::string name;
    std::function<void(Json& config)> spoil;
    int code;
    std::vector<std::string> named;
};
void PrintTo(const Wrong& wrong, std::ostream* out) {
    *out << wrong.name;
}

/// Changes a member of the result.
std::function<void(Json&)> result(const char* pointer, const Json& value) {
    return [=](Json& config) { config["prevResult"][Json::json_pointer(pointer)] = value; };
}

const std::vector<Wrong>& wrongs() {
    static const std::vector<Wrong> all{
        {"IsMissing",
         [](Json& config) { config.erase("prevResult"); },
         7,
         {"prevResult: is missing", "result of the ADD"}},
        {"IsNull",
         [](Json& config) { config["prevResult"] = nullptr; },
         7,
         {"prevResult: is missing"}},
        {"IsNoObject",
         [](Json& config) { config["prevResult"] = Json::array(); },
         7,
         {"prevResult: [] is not an object"}},
        {"IsOfAnotherVersion",
         result("/cniVersion", "1.0.0"),
         7,
         {"prevResult.cniVersion", "\"1.0.0\"", "\"1.1.0\""}},
        {"IsOfAnotherInterface",
         result("/interfaces/1/name", "net7"),
         7,
         {"prevResult.interfaces", "\"eth0\"", "own ADD"}},
        {"IsOfAnotherSandbox",
         result("/interfaces/1/sandbox", "/run/netns/other"),
         7,
         {"prevResult.interfaces", "\"/run/netns/other\"", "CNI_NETNS", "own ADD"}},
        {"IsOfAnotherContainer",
         result("/interfaces/0/name", "veth00000000000"),
         7,
         {"prevResult.interfaces", "of the host", "own ADD"}},
        {"HasNoInterfaces",
         [](Json& config) {
             config["prevResult"].erase("interfaces");
             config["prevResult"]["ips"][0].erase("interface");
         },
         7,
         {"prevResult.interfaces", "\"eth0\"", "own ADD"}},
        {"HasNoIps", result("/ips", nullptr), 7, {"prevResult.ips", "\"eth0\"", "own ADD"}},
        {"HasIpsOfOtherInterfacesOnly",
         result("/ips/0/interface", 0),
         7,
         {"prevResult.ips", "\"eth0\"", "own ADD"}},
        {"HasIpsOfNoInterface",
         result("/ips/0/interface", 2),
         7,
         {"prevResult.ips[0].interface", "2"}},
        {"HasIpsThatAreNone",
         result("/ips/0/address", "10.10.100.256/32"),
         7,
         {"prevResult.ips[0].address", "10.10.100.256"}},
        {"HasAnAddressThatThePodNeverHad",
         result("/ips/0/address", "10.10.100.77/32"),
         106,
         {"10.10.100.77", "eth0"}},
        {"HasARouteThatThePodNeverHad",
         result("/routes/0/dst", "192.0.2.0/24"),
         106,
         {"192.0.2.0/24 via 10.10.100.10", "eth0"}},
    };
    return all;
}

class CheckOfAResult : public ::testing::TestWithParam<Wrong> {};

TEST_P(CheckOfAResult, ThatIsNotTheAttachmentsOwnSaysWhatIsWrongWithIt) {
    Cluster cluster(1);
    const Host& host = cluster.host(1);
    const Pod pod("pod");
    Json config = Json::parse(cluster.config());
    config["prevResult"] = host.add(pod, cluster.config());
    GetParam().spoil(config);
    const Refused refused = refusal_of(host.call(
        {.verb = "CHECK", .config = config.dump(), .container = pod.id, .netns = pod.net.path()}));
    EXPECT_EQ(refused.code, GetParam().code) << refused.message;
    for (const std::string& part : GetParam().named)
        EXPECT_THAT(refused.message, HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(It, CheckOfAResult, ::testing::ValuesIn(wrongs()),
                         [](const auto& param) { return param.param.name; });

} // namespace
} // namespace scene
