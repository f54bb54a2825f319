#include "cni/host_files.h"

#include <gtest/gtest.h>

namespace cni {
namespace {

TEST(Draft, IsKnownByTheFileThatItWasToBecome) {
    EXPECT_TRUE(is_draft_of("10-ipip.conflist", ".10-ipip.conflist.a8Xb01"));
    EXPECT_TRUE(is_draft_of("ipip", ".ipip.ZZZZZZ"));
    for (const char* other :
         {"ipip", ".ipip", ".ipip.", ".ipip.ZZZZZ", ".ipip.ZZZZZZZ", ".ipip.ZZZ.ZZ", ".ipip-ZZZZZZ",
          "xipip.ZZZZZZ", ".ipip-ipam.ZZZZZZ", ".ipip.swp", ""})
        EXPECT_FALSE(is_draft_of("ipip", other)) << other;
}

} // namespace
} // namespace cni
