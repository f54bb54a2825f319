#include "test/system/cluster.h"

#include <gmock/gmock.h>

// Every verb in every version of the specification.

namespace scene {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::vector<std::string> versions{"0.1.0", "0.2.0", "0.3.0", "0.3.1",
                                        "0.4.0", "1.0.0", "1.1.0"};

class Verbs : public ::testing::TestWithParam<std::string> {
  protected:
    std::string config(Json more = Json::object()) const {
        more["cniVersion"] = GetParam();
        return Cluster::config(cluster.nodes(), more);
    }
    bool has(const std::string& since) const { // they sort as they should
        return GetParam() >= since;
    }
    Output call(const char* verb, const std::string& document) const {
        return host.call(
            {.verb = verb, .config = document, .container = pod.id, .netns = pod.net.path()});
    }

    Cluster cluster{1};
    Host& host = cluster.host(1);
    Pod pod{"pod"};
};

TEST_P(Verbs, AddAndDelLeaveNothing) {
    const Json before = host.net().state();
    const Json inside = pod.net.state();
    const Json result = host.add(pod, config());
    EXPECT_EQ(result.at("cniVersion"), GetParam());
    const std::string address =
        has("0.3.0") ? result.at("ips").at(0).at("address") : result.at("ip4").at("ip");
    EXPECT_TRUE(reaches(host.net(), address.substr(0, address.find('/'))));
    host.del(pod, config());
    EXPECT_TRUE(is_unchanged(host.net(), before));
    EXPECT_TRUE(is_unchanged(pod.net, inside));
    host.del(pod, config());
}

TEST_P(Verbs, CheckIsThereSince040) {
    const Json result = host.add(pod, config());
    const Output output = call("CHECK", config({{"prevResult", result}}));
    if (has("0.4.0")) {
        EXPECT_EQ(output.status, 0) << output.out;
        EXPECT_EQ(output.out, "");
    } else {
        EXPECT_EQ(refusal_of(output).code, 1);
        EXPECT_THAT(refusal_of(output).message, StartsWith("cniVersion: "));
    }
    host.del(pod, config());
}

TEST_P(Verbs, GcAndStatusAreThereSince110) {
    const Output status = call("STATUS", config());
    const Output gc = call("GC", config({{"cni.dev/valid-attachments", Json::array()}}));
    for (const Output& output : {status, gc})
        if (has("1.1.0")) {
            EXPECT_EQ(output.status, 0) << output.out;
            EXPECT_EQ(output.out, "");
        } else {
            EXPECT_EQ(refusal_of(output).code, 1);
            EXPECT_THAT(refusal_of(output).message, HasSubstr("use 1.1.0 or later"));
        }
}

TEST_P(Verbs, VersionIsAnsweredInTheOneThatIsAsked) {
    const Output output = call("VERSION", Json{{"cniVersion", GetParam()}}.dump());
    EXPECT_EQ(output.status, 0) << output.out;
    EXPECT_EQ(Json::parse(output.out),
              Json({{"cniVersion", GetParam()}, {"supportedVersions", versions}}));
}

INSTANTIATE_TEST_SUITE_P(Of, Verbs, ::testing::ValuesIn(versions), [](const auto& param) {
    std::string name = param.param;
    std::ranges::replace(name, '.', '_');
    return name;
});

} // namespace
} // namespace scene
