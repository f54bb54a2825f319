#include "test/system/agent.h"

#include <ctime>
#include <gtest/gtest.h>

// The time of day jumps by years, as it does on a machine without a battery when NTP comes.

namespace scene {
namespace {

constexpr std::time_t year = 365 * 24 * 3600;

/// Test machines of our own may be given another time of day; no namespace has one of its own.
bool is_throw_away_machine() {
    return std::filesystem::exists("/run/ipip-vm/settings");
}

timespec read_clock(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return time;
}

/// Sets the time of day; puts it back as it would be by now when this goes.
class TimeOfDay {
  public:
    void set(std::time_t seconds) {
        const timespec time{seconds, 0};
        checked(::clock_settime(CLOCK_REALTIME, &time), "set the clock");
    }
    ~TimeOfDay() { set(start_ + read_clock(CLOCK_BOOTTIME).tv_sec - booted_); }

    std::time_t start() const { return start_; }

  private:
    std::time_t start_ = read_clock(CLOCK_REALTIME).tv_sec;
    std::time_t booted_ = read_clock(CLOCK_BOOTTIME).tv_sec;
};

TEST(WallClock, MattersToNobodyWhenItJumpsByYears) {
    if (!is_throw_away_machine())
        GTEST_SKIP() << "the time of day is this machine's own";
    Cluster cluster(2);
    const Host& host = cluster.host(1);
    write_nodes_file(host.folder() / "nodes", cluster.nodes());
    const Agent agent(host, {"--nodes-file", (host.folder() / "nodes").string()});
    ASSERT_TRUE(agent.becomes_ready()) << agent.log();
    const std::string config = agent.config();
    const Pod resident("resident");
    const std::string address = address_of(host.add(resident, config));
    TimeOfDay time;
    int pods = 0;
    for (const std::time_t jump : {time.start() + 20 * year, 31 * year /* 2001 */, time.start()}) {
        const int before = agent.count("repaired: ");
        time.set(jump);
        const Pod pod("pod" + std::to_string(++pods));
        const Json result = host.add(pod, config);
        EXPECT_EQ(address_of(result), "10.10.100." + std::to_string(1 + pods)) << "as ever";
        const double looks = agent.metric("ipip_reconcile_seconds_count").value_or(-1);
        host.net().ip("route delete 10.10.200.0/24\n");
        EXPECT_TRUE(comes_true([&] { return agent.count("repaired: ") > before; })) << agent.log();
        EXPECT_LE(agent.metric("ipip_reconcile_seconds_count"), looks + 5) << "it runs wild";
        host.del(pod, config);
        EXPECT_TRUE(reaches(host.net(), address));
        EXPECT_EQ(agent.page("/readyz").status, 200) << agent.log();
    }
    EXPECT_EQ(agent.count("freed "), 0) << agent.log();
    host.del(resident, config);
}

} // namespace
} // namespace scene
