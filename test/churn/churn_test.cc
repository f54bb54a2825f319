#include "test/churn/day.h"
#include "test/churn/gauge.h"
#include "test/faults/victim.h"

#include <algorithm>
#include <cstdio>

// A day of a node in minutes. What grows a little with each pod shows after thousands of them.

namespace scene {
namespace {

constexpr int samples = 10;
/// What the heap and the page cache of a process may do by chance.
constexpr std::size_t memory_margin = 512 << 10;
/// Some 300 bytes for each of the 253 addresses, and pages that the last transactions left free.
constexpr std::size_t lease_limit = 128 << 10;
/// How many pages of the leases a transaction writes is not always the same.
constexpr std::size_t calls_margin = 4;

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

/// Of the ADDs in this tenth of the day, microseconds.
double median_of_tenth(const std::vector<std::chrono::microseconds>& took, std::size_t tenth) {
    std::vector<double> values;
    for (std::size_t i = took.size() * tenth / 10; i < took.size() * (tenth + 1) / 10; ++i)
        values.push_back(static_cast<double>(took[i].count()));
    return median(std::move(values));
}

/// What is looked at now and then.
struct Sample {
    Gauge gauge;
    std::size_t memory;
    std::size_t lease_bytes;
    Effort add; ///< the least of a few
    Effort del;
};

bool costs_less(const Effort& one, const Effort& other) {
    return one.calls < other.calls;
}

Sample take(const Day& day, const Gauge& base) {
    Gauge wanted = base;
    wanted.links += day.standing();
    wanted.routes += day.standing();
    Gauge gauge;
    EXPECT_TRUE(comes_true([&] {
        gauge = read_gauge(day.host(), day.agent());
        return gauge == wanted;
    })) << "after "
        << day.pods() << " pods: " << describe(gauge) << "\ninstead of: " << describe(wanted);
    day.compare();
    std::vector<Effort> adds;
    std::vector<Effort> dels;
    for (int i = 0; i < 3; ++i) {
        const Pod probe("probe");
        adds.push_back(effort_of(day.host(), day.probe("ADD", probe)));
        dels.push_back(effort_of(day.host(), day.probe("DEL", probe)));
    }
    Sample sample{.gauge = gauge,
                  .memory = memory_of(day.agent().pid(), "VmRSS"),
                  .lease_bytes = lease_bytes(day.host()),
                  .add = *std::ranges::min_element(adds, costs_less),
                  .del = *std::ranges::min_element(dels, costs_less)};
    std::printf("%6zu pods, %2zu standing: agent %zu KiB, %zu descriptors; leases %zu KiB; an ADD: "
                "%zu system calls, %zu messages, %zu bytes read; a DEL: %zu, %zu, %zu\n",
                day.pods(), day.standing(), sample.memory >> 10, gauge.descriptors,
                sample.lease_bytes >> 10, sample.add.calls, sample.add.messages, sample.add.bytes,
                sample.del.calls, sample.del.messages, sample.del.bytes);
    std::fflush(stdout);
    return sample;
}

TEST(Churn, NothingGrowsWithThePodsThatCameAndWent) {
    const auto pods = static_cast<std::size_t>(number_of("IPIP_CHURN_PODS", 1000));
    Day day(number_of("IPIP_CHURN_PEERS", 0));
    day.add_pods();
    day.end_pods(); // what the first pod makes, all later ones find
    Gauge base;
    ASSERT_TRUE(comes_true([&] {
        base = read_gauge(day.host(), day.agent());
        return base.helpers == 0;
    }));
    std::vector<Sample> taken;
    for (int round = 1; std::ssize(taken) < samples; ++round) {
        day.add_pods();
        if (round % 2 == 0)
            day.collect_garbage();
        if (round % 4 == 1)
            day.change_nodes();
        if (day.pods() < pods * (taken.size() + 1) / samples)
            continue;
        day.restore_nodes();
        day.damage();
        taken.push_back(take(day, base));
        if (HasFailure())
            return; // it would be found ten times
    }
    day.end_pods();
    day.compare();

    const Sample& first = taken.front();
    const Sample& last = taken.back();
    EXPECT_LE(last.memory, first.memory + memory_margin);
    EXPECT_LE(last.lease_bytes, lease_limit);
    EXPECT_EQ(last.add.messages, first.add.messages);
    EXPECT_LE(last.add.calls, first.add.calls + calls_margin);
    EXPECT_LE(last.add.bytes, first.add.bytes);
    EXPECT_EQ(last.del.messages, first.del.messages);
    EXPECT_LE(last.del.calls, first.del.calls + calls_margin);
    EXPECT_GE(day.agent().count("added the route 10.10.100.0/24, unreachable"), 1 + samples);
    EXPECT_GE(day.agent().count("the underlay is 172.16.5.200"), 1) << "the nodes never changed";
    EXPECT_EQ(day.agent().count("the nodes stay as they were"), 0);
    EXPECT_EQ(day.agent().metric("ipip_addresses_freed_total"), 0);
    std::printf("an ADD's time, last tenth to first: %.2f (medians of %.2f and %.2f ms, of %zu)\n",
                median_of_tenth(day.took(), 9) / median_of_tenth(day.took(), 0),
                median_of_tenth(day.took(), 9) / 1000, median_of_tenth(day.took(), 0) / 1000,
                day.took().size());
}

} // namespace
} // namespace scene
