#include "mesh/plan.h"
#include "test/kernel/mesh_scene.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using scene::Json;

using KernelWithoutIpipTest = MeshTest;

TEST_F(KernelWithoutIpipTest, IsNamedAndNothingIsLeft) {
    const Json before = host_.state();
    const bool has_ipip = scene::Namespace()
                              .run("ip link add t0 type ipip local 192.0.2.1 remote 192.0.2.2")
                              .status == 0;
    if (has_ipip) { // then the tests of the mesh are elsewhere, and this is about the opposite
        EXPECT_NO_THROW(reconcile(nodes(2)));
        return;
    }
    try {
        reconcile(nodes(2));
        ADD_FAILURE() << "no error";
    } catch (const NoTunnels& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("modprobe ipip"));
    }
    EXPECT_EQ(host_.state(), before);
}

TEST_F(KernelWithoutIpipTest, IsEnoughForANodeAlone) {
    EXPECT_EQ(reconcile(nodes(1)).pod_mtu, 1480U);
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(1)));
    EXPECT_THAT(reconcile(nodes(1)).changes, testing::IsEmpty());
    dismantle(route_, "podnet", {"u0"});
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/u0/forwarding"), "0");
}

} // namespace
} // namespace mesh
