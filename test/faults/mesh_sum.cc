#include "test/faults/tally.h"

#include <cstdio>
#include <gmock/gmock.h>

namespace {

/// Beside test/kernel/tunnel_main.cc: the sum of all campaigns.
class Sum : public ::testing::Environment {
  public:
    void TearDown() override { std::printf("\n%s", scene::Tally::of_all().table().c_str()); }
};

const auto* const sum = ::testing::AddGlobalTestEnvironment(new Sum);

} // namespace
