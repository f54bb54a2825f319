#include "test/kernel/scene.h"

#include <cstdio>
#include <gmock/gmock.h>

/// Tests that need ipip devices fail as one, and say why, where the kernel has none.
int main(int argc, char** argv) {
    testing::InitGoogleMock(&argc, argv);
    if (!GTEST_FLAG_GET(list_tests)) {
        const scene::Namespace space;
        const scene::Output made =
            space.run("ip link add probe type ipip local 192.0.2.1 remote 192.0.2.2");
        if (made.status != 0) {
            std::fprintf(
                stderr,
                "this kernel makes no ipip devices, which all of these tests need; run them "
                "where one does: test/with-ipip.sh %s\n%s",
                argv[0], made.err.c_str());
            return 1;
        }
    }
    return RUN_ALL_TESTS();
}
