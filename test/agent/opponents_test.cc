#include "agent/opponents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

namespace agent {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

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
    const Opponents::Clock::time_point start{};
    opponents.suspect({1, 2, 4, 5, 6, 7}, start - seconds(3600)); // of long ago
    opponents.suspect({::getpid(), 0x3fffff}, start);
    for (int i = 0; i < 5; ++i)
        EXPECT_EQ(opponents.note_repair({"the route"}, start + seconds(i)), std::nullopt);
    const auto named = opponents.note_repair({"the route"}, start + seconds(5));
    ASSERT_TRUE(named);
    EXPECT_THAT(*named, HasSubstr("agent_test (process " + std::to_string(::getpid()) + ")"));
    EXPECT_THAT(*named, HasSubstr("process 4194303")) << "it has ended and has no name";
    EXPECT_THAT(*named, Not(HasSubstr("process 7")));
    EXPECT_THAT(*opponents.note_repair({"the route"}, start + seconds(6)), HasSubstr("ip monitor"))
        << "nobody was seen since";
}

TEST(Opponents, AreTheLatestOfMany) {
    Opponents opponents;
    const Opponents::Clock::time_point start{};
    for (int i = 0; i < 9; ++i)
        opponents.suspect({0x3ffff0 + i}, start + seconds(i));
    std::optional<std::string> named;
    for (int i = 0; i < 6; ++i)
        named = opponents.note_repair({"the route"}, start + seconds(9));
    ASSERT_TRUE(named);
    for (int i = 0; i < 9; ++i)
        EXPECT_EQ(named->find(std::to_string(0x3ffff0 + i)) != named->npos, i >= 4) << *named;
}

} // namespace
} // namespace agent
