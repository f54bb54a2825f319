#pragma once

#include "mesh/cluster.h"
#include "mesh/reconcile.h"
#include "netlink/fd.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace mesh {

/// The mesh of this host, standing, and kept from being dismantled for as long as this lives.
class Standing {
  public:
    const Node& self() const { return self_; }
    /// What a pod's link may carry, bytes.
    std::uint32_t pod_mtu() const { return pod_mtu_; }
    /// What had to be changed to make it stand; empty in the steady state.
    const std::vector<std::string>& changes() const { return changes_; }

  private:
    friend class Gate;
    netlink::Fd lock_;
    Node self_;
    std::uint32_t pod_mtu_ = 0;
    std::vector<std::string> changes_;
};

struct Request {
    Cluster cluster;
    Settings settings;
    std::filesystem::path state_dir;
    /// Chooses which peers are looked at where there are many: any number, different each time.
    std::uint64_t seed = 0;
    /// Asked where the mesh is another than the nodes want, while nobody else can change it:
    /// whether they are still what is wanted. Empty: they are.
    std::function<bool()> is_current = {};
};

/// What was asked for is no longer what is wanted, and another has made that by now.
class Outdated : public std::runtime_error {
  public:
    Outdated() : std::runtime_error("the nodes have changed meanwhile; ask again with those") {}
};

/// Makes the mesh stand. In the steady state it reads no nodes, changes nothing and asks the kernel
/// for at most a handful of routes: a route goes with its device, with the device's being up and
/// with its source address, so that asking for it asks for all of them. All peers are looked at
/// where they are few, some, chosen by `seed`, where they are many. If anything is not as it was
/// left, or anything else is wanted, it is reconciled, by one process at a time. Throws as
/// reconcile does, Outdated, and std::system_error where the state directory cannot be used.
Standing stand(netlink::Socket& route, const Request& request);

/// Reconciles, whatever the last one left, and leaves its mark for stand(), under the lock that
/// keeps all others out meanwhile, then calls `publish`, still under it: who comes with the nodes
/// of before finds out there. It returns the version that those have who read what it left. For
/// who keeps the mesh all the time. Throws as stand(), and what `publish` throws.
Reconciled enforce(netlink::Socket& route, const Request& request,
                   const std::function<std::string()>& publish = {});

/// How the mesh looks to one who only wants to know.
struct Outlook {
    Node self;                         ///< which of the nodes this host is
    bool stands;                       ///< false also where it was never made, or is to change
    std::optional<std::string> broken; ///< it stood, and what is wrong with it now
};

/// What stand() would find, with more of the peers looked at, but not all of many: `seed` chooses
/// them, and with the same one they are the same. Waits for nobody, changes nothing. Throws as
/// stand() where something keeps the mesh from being made.
Outlook look(netlink::Socket& route, const Request& request);

/// Has the next stand() compare all of the network's mesh with the kernel, whatever the routes say:
/// for one who found something else wrong with it. Waits for those that use it. Throws
/// std::system_error.
void doubt(const std::string& network, const std::filesystem::path& state_dir);

/// Dismantles the network's mesh if `unused` says, asked while no Standing lives, that nothing
/// needs it any more. Waits for those that do. Returns what was removed; nothing where the mesh is
/// another network's. Throws as dismantle does, but no Conflict.
std::vector<std::string> retire(netlink::Socket& route, const std::string& network,
                                const std::filesystem::path& state_dir,
                                const std::function<bool()>& unused);

} // namespace mesh
