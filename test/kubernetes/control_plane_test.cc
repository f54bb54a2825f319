#include "test/kubernetes/control_plane.h"
#include "test/kubernetes/manifest.h"
#include "test/kubernetes/node_object.h"

#include <fstream>
#include <gmock/gmock.h>

// What the other tests build on: that the control plane is one, as real clusters have it.

namespace scene {
namespace {

const std::string nodes = "/api/v1/nodes";

ControlPlane& plane() {
    return ControlPlane::shared();
}

/// Nodes that go with the test.
class ControlPlaneTest : public ::testing::Test {
  protected:
    void make_node(const std::string& name) {
        plane().admin().create(nodes, node_object({.name = name,
                                                   .addresses = {"172.16.5.126"},
                                                   .pod_cidrs = {"10.10.100.0/24"}}));
        made_.push_back(nodes + '/' + name);
    }
    ~ControlPlaneTest() override { plane().admin().remove_all(made_); }

  private:
    Words made_;
};

struct Watched {
    std::string type;
    Json object;
};

/// The first event of a watch from that revision.
Watched first_event(const std::string& version) {
    Watched first;
    plane().admin().follow(
        nodes + "?watch=1&resourceVersion=" + version,
        [&](const Json& event) {
            first = {event.at("type"), event.at("object")};
            return true;
        },
        std::chrono::seconds(60));
    return first;
}

std::string version_of_nodes() {
    return plane().admin().get(nodes).at("metadata").at("resourceVersion");
}

/// The server's authorizer learns of a changed role a moment after it is there.
bool comes_to_answer(const Client& client, const std::string& path, long status) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < deadline)
        if (client.send({.path = path}).status == status)
            return true;
    return false;
}

TEST_F(ControlPlaneTest, ANodeIsKeptAsItWasMade) {
    make_node("host1");
    const Json node = plane().admin().get(nodes + "/host1");
    EXPECT_EQ(node.at("spec").at("podCIDRs"), Json({"10.10.100.0/24"}));
    EXPECT_EQ(condition(node, "Ready").at("reason"), "KubeletNotReady");
    EXPECT_TRUE(condition(node, "NetworkUnavailable").is_null());
    EXPECT_GT(node.dump().size(), 14 * 1024);
}

TEST_F(ControlPlaneTest, AChangeIsWaitedFor) {
    make_node("host1");
    std::thread change([] {
        const Client other = plane().client(plane().admin_identity());
        other.merge(nodes + "/host1", {{"metadata", {{"annotations", {{"colour", "red"}}}}}});
        other.remove(nodes + "/host1");
    });
    EXPECT_TRUE(
        plane().admin().await(nodes, "host1", [](const Json& node) { return node.is_null(); }));
    change.join();
    EXPECT_FALSE(plane().admin().await(
        nodes, "host1", [](const Json& node) { return !node.is_null(); }, std::chrono::seconds(1)));
}

TEST_F(ControlPlaneTest, AWatchGoesOnFromAnEarlierRevision) {
    const std::string version = version_of_nodes();
    make_node("host1");
    const Watched event = first_event(version);
    EXPECT_EQ(event.type, "ADDED");
    EXPECT_EQ(event.object.at("metadata").at("name"), "host1");
}

TEST_F(ControlPlaneTest, ForgottenHistoryIsGone) {
    make_node("host1");
    const std::string version = version_of_nodes();
    plane().forget_history();
    const Watched event = first_event(version);
    ASSERT_EQ(event.type, "ERROR");
    EXPECT_EQ(event.object.at("code"), 410);
}

TEST_F(ControlPlaneTest, AListThatIsContinuedAfterACompactionIsGone) {
    make_node("host1");
    make_node("host2");
    const std::string next = plane().admin().get(nodes + "?limit=1").at("metadata").at("continue");
    make_node("host3");
    plane().compact();
    EXPECT_EQ(plane().admin().send({.path = nodes + "?limit=1&continue=" + next}).status, 410);
}

TEST_F(ControlPlaneTest, ARestartKeepsTheNodes) {
    make_node("host1");
    const Json before = plane().admin().get(nodes + "/host1");
    plane().kill();
    EXPECT_THROW(plane().admin().get(nodes + "/host1"), std::runtime_error);
    plane().start();
    EXPECT_EQ(plane().admin().get(nodes + "/host1"), before);
}

TEST_F(ControlPlaneTest, HostsReachItOverTheirWire) {
    Cluster cluster(1);
    const Uplink uplink(cluster.wire());
    const long status = cluster.host(1).net().in([] {
        return plane()
            .client(plane().admin_identity(), ControlPlane::address)
            .send({.path = nodes})
            .status;
    });
    EXPECT_EQ(status, 200);
}

TEST_F(ControlPlaneTest, NobodyIsTurnedAway) {
    EXPECT_EQ(plane().client({}).send({.path = nodes}).status, 401);
    EXPECT_EQ(plane().client({.token = "guessed"}).send({.path = nodes}).status, 401);
}

TEST_F(ControlPlaneTest, AServiceAccountMayWhatItsRoleSays) {
    const Folder folder;
    const std::filesystem::path account = folder.path() / "account.yaml";
    const std::filesystem::path role = folder.path() / "role.yaml";
    std::ofstream(account) << "apiVersion: v1\n"
                              "kind: ServiceAccount\n"
                              "metadata: {name: reader, namespace: kube-system}\n";
    std::ofstream(role)
        << "apiVersion: rbac.authorization.k8s.io/v1\n"
           "kind: ClusterRole\n"
           "metadata: {name: reader}\n"
           "rules: [{apiGroups: [''], resources: [nodes], verbs: [list]}]\n"
           "---\n"
           "apiVersion: rbac.authorization.k8s.io/v1\n"
           "kind: ClusterRoleBinding\n"
           "metadata: {name: reader}\n"
           "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}\n"
           "subjects: [{kind: ServiceAccount, name: reader, namespace: kube-system}]\n";
    apply_manifest(plane().admin(), account);
    const Client reader = plane().client(plane().service_account("kube-system", "reader"));
    EXPECT_EQ(reader.send({.path = nodes}).status, 403);

    apply_manifest(plane().admin(), role);
    EXPECT_TRUE(comes_to_answer(reader, nodes, 200));
    EXPECT_EQ(reader.send({.path = "/api/v1/pods"}).status, 403);

    withdraw_manifest(plane().admin(), role);
    EXPECT_TRUE(comes_to_answer(reader, nodes, 403));
    withdraw_manifest(plane().admin(), account);
}

} // namespace
} // namespace scene
