#include "mesh/plan.h"
#include "test/kernel/mesh_scene.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using scene::Json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Someone else's things stand where the mesh must.
class ConflictTest : public MeshTest {
  protected:
    /// What reconcile() says against it; empty where it says nothing.
    std::string conflict(const std::vector<Node>& list, const Settings& settings = {"podnet"}) {
        try {
            reconcile(list, settings);
        } catch (const Conflict& conflict) {
            return conflict.what();
        }
        return {};
    }
};

TEST_F(ConflictTest, AForeignTunnelToThePeerStaysAndNothingIsMade) {
    host_.ip("link add mine type ipip local 172.16.5.126 remote 172.16.5.128\n"
             "link set mine up\n");
    const Json before = host_.state();
    EXPECT_THAT(conflict(nodes(3)), AllOf(HasSubstr("mine"), HasSubstr("172.16.5.126"),
                                          HasSubstr("172.16.5.128"), HasSubstr("ip link delete")));
    EXPECT_EQ(host_.state(), before);
    host_.ip("link delete mine\n");
    EXPECT_EQ(conflict(nodes(3)), "");
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
}

TEST_F(ConflictTest, AForeignTunnelElsewhereIsNone) {
    host_.ip("link add mine type ipip local 172.16.5.126 remote 172.16.5.99\n");
    EXPECT_EQ(conflict(nodes(3)), "");
}

TEST_F(ConflictTest, AForeignRouteToAPeersPodsStaysAndTheRestStands) {
    host_.ip("route add 10.10.2.0/24 dev u0\n");
    const Json foreign = host_.ip("route show 10.10.2.0/24\n").at(0);
    EXPECT_THAT(conflict(nodes(3)), AllOf(HasSubstr("10.10.2.0/24"), HasSubstr("ip route")));
    EXPECT_EQ(host_.ip("route show 10.10.2.0/24\n").at(0), foreign);
    EXPECT_THAT(conflict(nodes(3)), HasSubstr("10.10.2.0/24")) << "the second time too";
    host_.ip("route delete 10.10.2.0/24\n");
    EXPECT_EQ(conflict(nodes(3)), "");
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
}

TEST_F(ConflictTest, AnEndpointThatSomeoneElsePutOnTheHostIsNamed) {
    host_.ip("address add 10.10.1.10/32 dev lo scope link\n");
    EXPECT_THAT(conflict(nodes(3)), HasSubstr("ip address delete 10.10.1.10 dev lo"));
    host_.ip("address delete 10.10.1.10/32 dev lo\n");
    EXPECT_EQ(conflict(nodes(3)), "");
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
}

TEST_F(ConflictTest, AForeignRouteOfAnotherMetricIsNone) {
    host_.ip("route add 10.10.2.0/24 dev u0 metric 100\n");
    EXPECT_EQ(conflict(nodes(2)), "");
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(2)));
}

TEST_F(ConflictTest, AnotherNetworksMeshIsUnharmed) {
    reconcile(nodes(3));
    const Json before = host_.state();
    EXPECT_THAT(conflict(nodes(2), {"othernet"}), HasSubstr("\"podnet\""));
    EXPECT_EQ(host_.state(), before);
    EXPECT_THROW(dismantle(route_, "othernet", {"u0"}), Conflict);
    EXPECT_EQ(host_.state(), before);
}

TEST_F(ConflictTest, ADeviceOfAnotherKindThatHasTheNameStays) {
    host_.ip("link add ipip-ac10057f type bridge\n");
    const Json before = scene::find(host_.state().at("links"), "ifname", "ipip-ac10057f");
    try {
        reconcile(nodes(3));
        ADD_FAILURE() << "no error";
    } catch (const std::exception& error) {
        EXPECT_THAT(error.what(), HasSubstr("ipip-ac10057f"));
    }
    EXPECT_EQ(scene::find(host_.state().at("links"), "ifname", "ipip-ac10057f"), before);
    host_.ip("link delete ipip-ac10057f\n");
    reconcile(nodes(3));
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
}

TEST_F(ConflictTest, AnAddressOfTheNodeThatTheHostLacksIsNamed) {
    const Json before = host_.state();
    try {
        mesh::reconcile(route_, nodes(3), "host2", {"podnet"});
        ADD_FAILURE() << "no error";
    } catch (const Conflict& conflict) {
        EXPECT_THAT(conflict.what(), AllOf(HasSubstr("172.16.5.127"), HasSubstr("host2")));
    }
    EXPECT_EQ(host_.state(), before);
}

} // namespace
} // namespace mesh
