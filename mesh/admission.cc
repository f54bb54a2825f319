#include "mesh/admission.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <tuple>

namespace mesh {

namespace {

/// Who has which address and which block.
class Table {
  public:
    /// Why `node` cannot join those that did; none where it can, and then it does.
    std::optional<std::string> join(const Node& node) {
        for (const ip::Address& address : node.addresses) {
            if (const auto taken = addresses_.find(address); taken != addresses_.end())
                return "its address " + address.to_string() + " is that of the node " +
                       taken->second;
            if (const auto* home = overlapping(ip::Cidr::host(address)))
                return "its address " + address.to_string() + " lies in the pod network " +
                       home->first.to_string() + " of the node " + home->second;
        }
        for (const ip::Cidr& cidr : node.pod_cidrs) {
            if (const auto* other = overlapping(cidr))
                return "its pod network " + cidr.to_string() + " overlaps " +
                       other->first.to_string() + " of the node " + other->second;
            const auto inside = addresses_.lower_bound(cidr.network());
            if (inside != addresses_.end() && cidr.contains(inside->first))
                return "its pod network " + cidr.to_string() + " holds the address " +
                       inside->first.to_string() + " of the node " + inside->second;
        }
        if (const auto why = clash_with_itself(node))
            return why;
        for (const ip::Address& address : node.addresses)
            addresses_.emplace(address, node.name);
        for (const ip::Cidr& cidr : node.pod_cidrs)
            cidrs_.emplace(cidr, node.name);
        return std::nullopt;
    }

  private:
    using Cidrs = std::map<ip::Cidr, std::string>;

    /// Blocks are nested or apart, and those that joined are apart: one that overlaps begins
    /// right before or right behind the place of `cidr`.
    const Cidrs::value_type* overlapping(const ip::Cidr& cidr) const {
        const auto behind = cidrs_.lower_bound(cidr);
        if (behind != cidrs_.end() && behind->first.overlaps(cidr))
            return &*behind;
        if (behind != cidrs_.begin() && std::prev(behind)->first.overlaps(cidr))
            return &*std::prev(behind);
        return nullptr;
    }

    static std::optional<std::string> clash_with_itself(const Node& node) {
        for (std::size_t i = 0; i < node.pod_cidrs.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j)
                if (node.pod_cidrs[i].overlaps(node.pod_cidrs[j]))
                    return "its pod networks " + node.pod_cidrs[j].to_string() + " and " +
                           node.pod_cidrs[i].to_string() + " overlap";
            for (const ip::Address& address : node.addresses)
                if (node.pod_cidrs[i].contains(address))
                    return "its address " + address.to_string() + " lies in its pod network " +
                           node.pod_cidrs[i].to_string();
        }
        return std::nullopt;
    }

    std::map<ip::Address, std::string> addresses_;
    Cidrs cidrs_;
};

} // namespace

Admission::Admission(const std::vector<Node>& admitted) {
    for (const Node& node : admitted)
        admitted_.emplace(node.name, node);
}

Admission::Verdict Admission::decide(const Ballot& ballot) {
    const auto before = [&](const std::string& name) {
        const auto found = admitted_.find(name);
        return found == admitted_.end() ? nullptr : &found->second;
    };
    std::set<std::tuple<int, std::string_view, const Node*>> order;
    const auto enter = [&](const Node& node) {
        const Node* was = before(node.name);
        const bool newcomer = was == nullptr || *was != node;
        const int merit = !newcomer ? 1 : ballot.annotated.contains(node.name) ? 3 : 2;
        const int handicap = ballot.silent.contains(node.name) ? 3 : 0;
        order.emplace(node.name == ballot.self ? 0 : merit + handicap, node.name, &node);
    };
    for (const Node& candidate : ballot.candidates)
        enter(candidate);
    for (const std::string& name : ballot.unusable)
        if (const Node* was = before(name))
            enter(*was);

    Table table;
    Verdict verdict;
    for (const auto& [rank, name, node] : order) {
        auto why = table.join(*node);
        if (!why) {
            verdict.nodes.push_back(*node);
            continue;
        }
        const Node* was = before(node->name);
        if (was != nullptr && *was != *node && !table.join(*was)) {
            verdict.nodes.push_back(*was);
            *why += "; it stays what it was";
        }
        verdict.refused.emplace(name, *std::move(why));
    }
    std::ranges::sort(verdict.nodes, {}, &Node::name);
    admitted_.clear();
    for (const Node& node : verdict.nodes)
        admitted_.emplace(node.name, node);
    return verdict;
}

} // namespace mesh
