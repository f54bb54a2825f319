#pragma once

#include "mesh/reconcile.h"
#include "test/kernel/scene.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

// What the tests of the room mesh share: a host on a wire, the cluster's nodes, and the mesh as
// iproute2 shows it.

namespace mesh {

/// Number 1, 2, ...: "host<N>" at 172.16.5.<125 + N>, pods 10.10.<N>.0/24, endpoint 10.10.<N>.10.
Node node(int number);
/// The first `count` of them.
std::vector<Node> nodes(int count);

/// The name of the device to that node: "ipip-ac10057f" to the second.
std::string tunnel_to(int number);

/// The mesh as it must be on the first of `nodes`: written down anew, not computed by the code
/// under test. Compares with shown_mesh().
scene::Json expected_mesh(const std::vector<Node>& nodes, const Settings& settings = {"podnet"},
                          std::uint32_t mtu = 1480);
/// The mesh as iproute2 and the files of /proc/sys show it in a namespace, after `commands` of
/// ip(8): the start of a program is dear in an emulated machine.
scene::Json shown_mesh(const scene::Namespace& space, const std::string& commands = {});

/// The index of each ipip device: it tells one that stayed from one made anew.
std::map<std::string, int> tunnel_indices(const scene::Namespace& space);

/// A host that is node 1, with its underlay device u0, which has another address 172.16.5.200. The
/// test's thread is on it.
class MeshTest : public testing::Test {
  protected:
    MeshTest();

    Reconciled reconcile(const std::vector<Node>& nodes, const Settings& settings = {"podnet"}) {
        return mesh::reconcile(route_, nodes, std::nullopt, settings);
    }

    scene::Namespace host_;
    scene::Visit inside_{host_};
    netlink::Socket route_;
};

} // namespace mesh
