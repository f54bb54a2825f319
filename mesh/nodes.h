#pragma once

#include "ip/cidr.h"
#include "json/field.h"

#include <optional>
#include <string>
#include <vector>

namespace mesh {

/// A node of the cluster, with all that others need to know of it.
struct Node {
    std::string name;
    std::vector<ip::Address> addresses;        ///< in the underlay; at most one a family
    std::vector<ip::Cidr> pod_cidrs;           ///< at least one
    std::vector<ip::Address> tunnel_addresses; ///< the endpoint in each family of the pod CIDRs

    bool operator==(const Node&) const = default;
};

/// The node's address of a family; none where it has none.
std::optional<ip::Address> address_in(ip::Family family, const std::vector<ip::Address>& addresses);

/// Reads and checks one node by itself; an endpoint that is not given is computed
/// (ipam::endpoint). Throws as read_nodes does.
Node read_node(const json::Field& entry);

/// What read_node reads.
json::Value to_json(const Node& node);

/// Reads and checks a list of nodes; endpoints that are not given are computed (ipam::endpoint).
/// Throws json::FieldError for a node that cannot be, for two that cannot be together (same
/// name or address, overlapping pod CIDRs), and json::UnsupportedError for what is yet to come.
std::vector<Node> read_nodes(const json::Field& list);

/// Which of `nodes` this host is: the one of that name or, without a name, the one that has an
/// address of `local`. Throws json::FieldError where that is none or more than one.
std::size_t find_self(const std::vector<Node>& nodes, const std::optional<std::string>& node_name,
                      const std::vector<ip::Address>& local);

} // namespace mesh
