#include "mesh/lock.h"
#include "mesh/plan.h"
#include "mesh/stamp.h"
#include "mesh/standing.h"
#include "test/kernel/mesh_scene.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

// A node without peers has no tunnels, and so needs no kernel with ipip.

namespace mesh {
namespace {

namespace fs = std::filesystem;

using scene::Json;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;

using AloneTest = MeshTest;

TEST_F(AloneTest, AnyKernelWillDo) {
    EXPECT_EQ(reconcile(nodes(1)).pod_mtu, 1480U);
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(1)));
    EXPECT_THAT(reconcile(nodes(1)).changes, IsEmpty());
    dismantle(route_, "podnet", {"u0"});
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/u0/forwarding"), "0");
}

TEST_F(AloneTest, WithAPeerAKernelWithoutIpipIsNamedAndNothingIsLeft) {
    const Json before = host_.state();
    const scene::Output made =
        scene::Namespace().run("ip link add t0 type ipip local 192.0.2.1 remote 192.0.2.2");
    if (made.status == 0) { // a kernel with ipip: the opposite must hold
        EXPECT_NO_THROW(reconcile(nodes(2)));
        return;
    }
    try {
        reconcile(nodes(2));
        ADD_FAILURE() << "no error";
    } catch (const NoTunnels& error) {
        EXPECT_THAT(error.what(), HasSubstr("modprobe ipip"));
    }
    EXPECT_EQ(host_.state(), before);
}

TEST_F(AloneTest, WhoeverWaitsToBeAloneWithTheMeshIsNotOvertaken) {
    std::string folder = (fs::temp_directory_path() / "alone_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    const fs::path lock = fs::path(folder) / lock_name;
    const Request request{.cluster = Cluster({.nodes = nodes(1), .self = {}}),
                          .settings = {"podnet"},
                          .state_dir = folder};
    auto first = std::optional(stand(route_, request));
    std::atomic<bool> was_alone = false;
    std::thread alone([&] {
        const auto shut = mesh::shut(folder);
        was_alone = true;
    });
    while (scene::waiting_for(lock) == 0 && !was_alone)
        std::this_thread::yield();
    std::atomic<bool> has_come = false;
    bool overtook = false;
    std::thread second([&] {
        netlink::Socket own;
        const Standing standing = stand(own, request);
        overtook = !was_alone;
        has_come = true;
    });
    while (scene::waiting_for(lock) < 2 && !has_come)
        std::this_thread::yield();
    first.reset();
    alone.join();
    second.join();
    EXPECT_FALSE(overtook);
    fs::remove_all(folder);
}

TEST_F(AloneTest, ManyWhoMakeAndRetireTheMeshAtOnceNeverLoseIt) {
    std::string folder = (fs::temp_directory_path() / "alone_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    // Each stands, and then retires in the belief to be the last: as parallel ADDs and DELs do.
    const Request request{.cluster = Cluster({.nodes = nodes(1), .self = {}}),
                          .settings = {"podnet"},
                          .state_dir = folder};
    const auto results = scene::in_processes(20, [&](int) {
        netlink::Socket own;
        for (int i = 0; i < 10; ++i) {
            {
                const Standing standing = stand(own, request);
                const auto found = own.find(netlink::get_route(node(1).tunnel_addresses.front()));
                if (!found || !netlink::to_route(found).local)
                    return 1;
            }
            retire(own, "podnet", folder, [] { return true; });
        }
        return 0;
    });
    EXPECT_THAT(results, Each(0));
    EXPECT_THAT(shown_mesh(host_).at("endpoint"), IsEmpty());
    fs::remove_all(folder);
}

} // namespace
} // namespace mesh
