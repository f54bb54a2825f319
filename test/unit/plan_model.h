#pragma once

#include "mesh/plan.h"

#include <functional>
#include <set>
#include <stdexcept>

namespace mesh {

/// The kernel as far as a plan depends on it: what its changes do, what goes by itself with what
/// is taken away, and what would be refused. The true kernel has the last word, in test/kernel.
class PlanModel {
  public:
    /// The kernel would not have taken the change.
    class Refused : public std::logic_error {
      public:
        using std::logic_error::logic_error;
    };

    const Observed& state() const { return state_; }

    /// Carries them out in the order of mesh::apply and calls `after_each`. Throws Refused.
    void apply(
        const Changes& changes, const std::function<void()>& after_each = [] {});

    /// Whether what that node sends from its pods comes out of a tunnel and passes its source
    /// check.
    bool takes_packets_from(const ip::Address& remote, const ip::Cidr& pods) const;
    /// Whether a route to those pods goes to that node.
    bool leads_to(const ip::Address& remote, const ip::Cidr& pods) const;

    // What others do to the host.
    netlink::Link& link(const std::string& name); ///< throws std::out_of_range
    void add(netlink::Link link);
    void add(netlink::InterfaceAddress address) { state_.addresses.push_back(std::move(address)); }
    void add(netlink::Route route) { state_.routes.push_back(std::move(route)); }
    void bring_down(const std::string& name);
    void remove(const netlink::InterfaceAddress& address);
    void remove(const netlink::Route& route);
    void remove_link(const std::string& name);

    /// All of it, sorted, with devices by name: two that say the same differ in nothing that lasts.
    std::string to_string() const;

  private:
    void make(const netlink::TunnelDevice& device);
    void change(const netlink::TunnelDevice& device);
    void configure(const Changes::Configure& change);
    void place(const Changes::Address& change);
    void place(const Changes::Route& change);
    void refuse_second(const netlink::TunnelDevice& device) const;
    int index_of(const std::string& device);
    std::string name_of(int index) const;
    void drop_routes_without_source();

    Observed state_;
    std::set<int> keeps_secondaries_; ///< devices, by index
    int next_index_ = 100;
};

/// The node number `number`: host7 at 172.16.5.7 with the pods of 10.10.7.0/24.
Node numbered_node(int number);
std::vector<Node> numbered_nodes(const std::vector<int>& numbers);

/// What the node `self` of `nodes` wants in the network "podnet", every tunnel with an MTU of 1480.
Wanted wanted_by(const std::vector<Node>& nodes, std::size_t self = 0);
/// The same by one device to all.
Wanted wanted_shared_by(const std::vector<Node>& nodes, std::size_t self = 0);

/// A host on which that stands.
PlanModel standing(const Wanted& wanted);

} // namespace mesh
