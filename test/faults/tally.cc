#include "test/faults/tally.h"

#include <algorithm>
#include <cstdio>

namespace scene {

namespace {

std::string line(const std::string& campaign, std::size_t width, int cases, int survived) {
    char numbers[64];
    std::snprintf(numbers, sizeof numbers, " %6d cases, %6d survived, %4d lost\n", cases, survived,
                  cases - survived);
    return campaign + std::string(width - campaign.size(), ' ') + numbers;
}

} // namespace

Tally& Tally::of_all() {
    static Tally tally;
    return tally;
}

void Tally::add(const std::string& campaign, bool survived) {
    const std::scoped_lock lock(mutex_);
    Count& count = counts_[campaign];
    ++count.cases;
    count.survived += survived ? 1 : 0;
}

std::string Tally::table() const {
    const std::scoped_lock lock(mutex_);
    std::string text;
    std::size_t width = 10;
    for (const auto& [campaign, unused] : counts_)
        width = std::max(width, campaign.size());
    Count all;
    for (const auto& [campaign, count] : counts_) {
        text += line(campaign, width, count.cases, count.survived);
        all.cases += count.cases;
        all.survived += count.survived;
    }
    return text + line("all", width, all.cases, all.survived);
}

} // namespace scene
