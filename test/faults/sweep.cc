#include "test/faults/sweep.h"

#include "test/faults/tally.h"

#include <algorithm>
#include <atomic>
#include <thread>

namespace scene {

namespace {

constexpr int no_end = 2000;

/// Returns the number of cases.
int sweep_row(Victim::Kind kind, std::unique_ptr<Victim>& victim, Row row, const Case& act) {
    for (row.fault.number = 1; row.fault.number < no_end; ++row.fault.number) {
        if (!victim)
            victim = std::make_unique<Victim>(kind);
        Verdict verdict;
        bool met = true;
        try {
            met = act(*victim, row.fault, verdict);
        } catch (const std::exception& error) {
            verdict.require(false, error.what());
        }
        const Fault& fault = row.fault;
        const std::string name = fault.call + ' ' + fault.how + ' ' + std::to_string(fault.number) +
                                 (fault.all_later ? "+" : "");
        if (met || !verdict.is_survived())
            judge(row.campaign, name, verdict);
        if (!verdict.is_survived())
            victim.reset();
        if (!met)
            return fault.number - 1;
    }
    ADD_FAILURE() << row.campaign << ": no end of calls";
    return no_end;
}

} // namespace

void judge(const std::string& campaign, const std::string& name, const Verdict& verdict) {
    Tally::of_all().add(campaign, verdict.is_survived());
    if (!verdict.is_survived())
        ADD_FAILURE() << campaign << ", " << name << ":\n" << verdict.text();
}

void sweep(Victim::Kind kind, const std::vector<Row>& rows, const Case& act, int at_least) {
    std::atomic<std::size_t> next = 0;
    std::atomic<int> cases = 0;
    std::vector<std::thread> workers;
    for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i)
        workers.emplace_back([&] {
            std::unique_ptr<Victim> victim;
            for (std::size_t row = 0; (row = next++) < rows.size();)
                cases += sweep_row(kind, victim, rows[row], act);
        });
    for (std::thread& worker : workers)
        worker.join();
    EXPECT_GE(cases, at_least) << "the sweep touched too little";
}

} // namespace scene
