#include "agent/feasible.h"

#include <algorithm>
#include <utility>

namespace agent {

namespace {

constexpr std::chrono::minutes second_try{5};

/// The node without that pod CIDR; none where it cannot be without it.
std::optional<mesh::Node> without(mesh::Node node, const ip::Cidr& pod_cidr) {
    std::erase(node.pod_cidrs, pod_cidr);
    const bool holds_endpoint =
        std::ranges::any_of(node.tunnel_addresses, [&](const ip::Address& endpoint) {
            return pod_cidr.contains(endpoint);
        });
    return node.pod_cidrs.empty() || holds_endpoint ? std::nullopt : std::optional(std::move(node));
}

} // namespace

bool Feasible::want(std::vector<mesh::Node> nodes) {
    std::erase_if(left_out_, [&](const LeftOut& entry) {
        return std::ranges::find(nodes, entry.wanted) == nodes.end();
    });
    for (const auto& [wanted, had] : left_out_) {
        const auto place = std::ranges::find(nodes, wanted);
        if (had)
            *place = *had;
        else
            nodes.erase(place);
    }
    return std::exchange(nodes_, std::move(nodes)) != nodes_;
}

std::size_t Feasible::wanted() const {
    return nodes_.size() + static_cast<std::size_t>(std::ranges::count_if(
                               left_out_, [](const LeftOut& entry) { return !entry.had; }));
}

std::vector<mesh::Node> Feasible::left_out() const {
    std::vector<mesh::Node> nodes;
    for (const auto& [wanted, had] : left_out_)
        nodes.push_back(wanted);
    return nodes;
}

std::vector<std::string> Feasible::leave_out(const mesh::Conflict& conflict,
                                             Clock::time_point now) {
    std::vector<mesh::Node> nodes = nodes_;
    std::vector<LeftOut> left_out = left_out_;
    std::vector<std::string> lines;
    for (const mesh::Conflict::InTheWay& obstacle : conflict.obstacles()) {
        const auto place = std::ranges::find(nodes, obstacle.remote, [](const mesh::Node& node) {
            return *mesh::address_in(ip::Family::v4, node.addresses);
        });
        if (place == nodes.end())
            continue; // the second obstacle of a node that is not had any more
        auto entry = std::ranges::find(left_out, place->name,
                                       [](const LeftOut& known) { return known.wanted.name; });
        if (entry == left_out.end())
            entry = left_out.insert(entry, {.wanted = *place, .had = {}});
        entry->had = obstacle.pod_cidr ? without(*place, *obstacle.pod_cidr) : std::nullopt;
        lines.push_back(
            "node " + place->name +
            (entry->had ? " goes without " + obstacle.pod_cidr->to_string() : " is left out") +
            ": " + obstacle.what);
        if (entry->had)
            *place = *entry->had;
        else
            nodes.erase(place);
    }
    if (lines.empty() || nodes.size() < 2) // no peer would be left
        return {};
    if (left_out_.empty())
        since_ = now;
    nodes_ = std::move(nodes);
    left_out_ = std::move(left_out);
    return lines;
}

bool Feasible::try_again(Clock::time_point now) {
    if (left_out_.empty() || now < since_ + second_try)
        return false;
    auto nodes = all();
    left_out_.clear();
    return want(std::move(nodes));
}

std::vector<mesh::Node> Feasible::all() const {
    std::vector<mesh::Node> nodes = nodes_;
    for (const auto& [wanted, had] : left_out_) {
        const auto place = std::ranges::lower_bound(nodes, wanted.name, {}, &mesh::Node::name);
        if (had)
            *place = wanted;
        else
            nodes.insert(place, wanted);
    }
    return nodes;
}

} // namespace agent
