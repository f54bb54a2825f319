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
    EXPECT_THAT(conflict(nodes(3)), HasSubstr("a device named ipip-ac10057f that this network did "
                                              "not make stands in the way"));
    EXPECT_EQ(scene::find(host_.state().at("links"), "ifname", "ipip-ac10057f"), before);
    host_.ip("link delete ipip-ac10057f\n");
    reconcile(nodes(3));
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
}

TEST_F(ConflictTest, ATunnelOfOursThatSomeoneRenamedIsNamed) {
    reconcile(nodes(3));
    host_.ip("link set ipip-ac10057f down\nlink set ipip-ac10057f name mine\n");
    EXPECT_THAT(conflict(nodes(3)),
                AllOf(HasSubstr("the device mine is a tunnel"), HasSubstr("ip link delete mine")));
    host_.ip("link set mine name ipip-ac10057f\n");
    EXPECT_EQ(conflict(nodes(3)), "");
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
}

TEST_F(ConflictTest, ATunnelOfOursThatSomeoneMovedToAnotherNamespaceIsNamed) {
    reconcile(nodes(3));
    const scene::Namespace elsewhere;
    host_.ip("link set ipip-ac10057f netns " + elsewhere.path() + '\n');
    EXPECT_THAT(conflict(nodes(3)), AllOf(HasSubstr("ipip-ac10057f"), HasSubstr("172.16.5.127"),
                                          HasSubstr("moved to another network namespace")));
    elsewhere.ip("link delete ipip-ac10057f\n");
    EXPECT_EQ(conflict(nodes(3)), "");
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
}

TEST_F(ConflictTest, TheKernelsOwnTunnelStaysAsSomeoneUsesIt) {
    reconcile(nodes(2)); // now it is there
    host_.ip("link set tunl0 up\naddress add 192.168.9.1/24 dev tunl0\n"
             "route add 10.10.2.0/25 via 192.168.9.2 dev tunl0 onlink\n"
             "rule add from 10.80.0.0/16 table 7\nroute add default dev tunl0 table 7\n");
    const Json before = host_.state();
    EXPECT_THAT(reconcile(nodes(2)).changes, IsEmpty());
    EXPECT_EQ(host_.state(), before);
}

TEST_F(ConflictTest, AnUnderlayThatSomeoneRenamedGoesOn) {
    reconcile(nodes(2));
    host_.ip("link set u0 down\nlink set u0 name uplink\nlink set uplink up\n");
    host_.set_sysctl("net/ipv4/conf/uplink/forwarding", "0");
    EXPECT_EQ(conflict(nodes(2)), "");
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(2)));
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/uplink/forwarding"), "1");
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
