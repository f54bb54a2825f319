#include "test/faults/tally.h"

#include <cstdio>
#include <gmock/gmock.h>

/// With the sum of all campaigns at the end.
int main(int argc, char** argv) {
    testing::InitGoogleMock(&argc, argv);
    const int result = RUN_ALL_TESTS();
    if (!GTEST_FLAG_GET(list_tests))
        std::printf("\n%s", scene::Tally::of_all().table().c_str());
    return result;
}
