#include "agent/opponents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

namespace agent {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

TEST(Opponents, AreNoneWhereRepairsAreRare) {
    Opponents opponents;
    const Opponents::Clock::time_point start{};
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(opponents.note_repair({"the route"}, start + seconds(5 * i)), std::nullopt);
}

TEST(Opponents, AreNoneWhereEachTimeItIsSomethingElse) {
    Opponents opponents;
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(opponents.note_repair({std::to_string(i)}, {}), std::nullopt);
}

TEST(Opponents, AreNamedWhereRepairsAreUndoneAgainAndAgain) {
    Opponents opponents;
    opponents.suspect({::getpid(), 0x3fffff});
    const Opponents::Clock::time_point start{};
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(opponents.note_repair({"the route"}, start + seconds(i)), std::nullopt);
    const auto named = opponents.note_repair({"the route"}, start + seconds(5));
    ASSERT_TRUE(named);
    EXPECT_THAT(*named, HasSubstr("agent_test (process " + std::to_string(::getpid()) + ")"));
    EXPECT_THAT(*named, HasSubstr("process 4194303")) << "it has ended and has no name";
    EXPECT_THAT(*opponents.note_repair({"the route"}, start + seconds(6)), HasSubstr("ip monitor"))
        << "nobody was seen since";
}

} // namespace
} // namespace agent
