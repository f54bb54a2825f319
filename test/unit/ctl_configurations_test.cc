#include "ctl/configurations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ctl {
namespace {

TEST(Configuration, IsOursWhereIpipIsTheMainPlugin) {
    const auto list = read_configuration(
        R"({"name": "podnet", "plugins": [{"type": "ipip", "stateDir": "/run/x"}, {"type": "portmap"}]})");
    ASSERT_TRUE(list);
    EXPECT_EQ(list->network, "podnet");
    EXPECT_EQ(list->state_dir, "/run/x");
    const auto single = read_configuration(R"({"name": "podnet", "type": "ipip"})");
    ASSERT_TRUE(single);
    EXPECT_EQ(single->network, "podnet");
    EXPECT_EQ(single->state_dir, std::nullopt);
}

TEST(Configuration, IsOursAlsoWhereARuntimeWouldNotTakeIt) {
    const auto nameless = read_configuration(R"({"type": "ipip", "name": 5, "stateDir": "run/x"})");
    ASSERT_TRUE(nameless);
    EXPECT_EQ(nameless->network, "");
    EXPECT_EQ(nameless->state_dir, std::nullopt) << "where that is nobody knows";
}

TEST(Configuration, IsNotOursOtherwise) {
    for (const char* other :
         {R"({"name": "x", "plugins": [{"type": "ptp"}, {"type": "ipip"}]})",
          R"({"name": "x", "plugins": []})", R"({"name": "x", "plugins": ["ipip"]})",
          R"({"name": "x", "plugins": [{"type": "ipip-ipam"}]})",
          R"({"type": "multus", "delegates": [{"type": "ipip"}]})",
          R"({"type": "bridge", "ipam": {"type": "ipip"}})", R"({"type": ["ipip"]})", "[]",
          R"(["ipip"])", R"("ipip")", "null", R"({"type": "ipip")", ""})
        EXPECT_FALSE(read_configuration(other)) << other;
    EXPECT_FALSE(read_configuration(std::string(100'000, '['))) << "very deep";
}

} // namespace
} // namespace ctl
