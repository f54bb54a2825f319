#pragma once

#include "test/faults/interception.h"
#include "test/faults/victim.h"

#include <array>

namespace scene {

/// The tunnels, addresses, routes, rules and forwarding of a host: all that its kernel shows but
/// the pods' own, and without what is another each time that a thing is made.
Json mesh_of(const Namespace& space);

/// A call of the plugin that a strike was waiting for.
struct Met {
    Output output;
    bool hit; ///< false: it made fewer such system calls

    bool killed() const { return output.status == 128 + 9; }
};

/// The first of three hosts, two of which are its peers, with what its kernel must show.
class MeshVictim {
  public:
    /// Without pods there is no mesh. In "changed" one peer has another pod network, the other is
    /// gone, and one has come.
    enum Mesh { none, plain, changed };

    /// Looks what a host shows that nothing befalls; to be called first where that is asked for.
    void learn();

    const Host& host() const { return cluster_.host(1); }
    Json nodes(Mesh mesh) const;

    Call add(const Pod& pod, Mesh mesh) const { return call("ADD", pod, mesh); }
    Call del(const Pod& pod, Mesh mesh) const { return call("DEL", pod, mesh); }
    /// Only these calls are looked at; all where there are none.
    Met strike(Call call, const Strike& strike, const std::vector<int>& watched = {}) const;
    /// How often this makes each of its system calls.
    std::map<int, int> count(Call call) const;

    void require_mesh(Verdict& verdict, Mesh mesh, const std::string& when) const;
    /// These pods have an address, and no other; each a link and a route.
    void require_pods(Verdict& verdict, const std::vector<const Pod*>& pods,
                      const std::string& when) const;
    Output require_success(Verdict& verdict, const Call& call, const std::string& when) const;

  private:
    Call call(const char* verb, const Pod& pod, Mesh mesh) const;

    Cluster cluster_{3};
    std::array<Json, 3> kernel_; ///< by what a host that nothing befell shows
};

} // namespace scene
