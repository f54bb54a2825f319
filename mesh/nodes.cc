#include "mesh/nodes.h"

#include "ipam/endpoint.h"
#include "ipam/range.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <utility>

namespace mesh {

namespace {

constexpr std::size_t longest_name = 200; // with the network's, it must fit a device's alias

/// Whether it touches what no host can have: this network, loopback, multicast, class E (RFC 6890).
bool is_special(const ip::Cidr& cidr) {
    static const std::array special{ip::Cidr::parse("0.0.0.0/8"), ip::Cidr::parse("127.0.0.0/8"),
                                    ip::Cidr::parse("224.0.0.0/3")};
    return std::ranges::any_of(special, [&](const ip::Cidr& c) { return c.overlaps(cidr); });
}

std::string read_name(const json::Field& node) {
    const json::Field field = node.require("name", "give the node a name, such as \"host1\"");
    const std::string& name = field.string();
    const bool clean =
        std::ranges::all_of(name, [](char c) { return c > ' ' && c < 127 && c != '/'; });
    if (name.empty() || name.size() > longest_name || !clean)
        field.fail(field.shown() +
                   " is not a node name; use 1 to 200 letters, digits, '-' and '.'");
    return name;
}

void refuse_second_of_family(const json::Field& field, const std::vector<ip::Address>& known,
                             const ip::Address& address, const std::string& what) {
    if (address_in(address.family(), known))
        field.fail(field.shown() + " is a second " + std::string(ip::name(address.family())) + ' ' +
                   what + " of the node; leave one a family");
}

std::vector<ip::Address> read_addresses(const json::Field& node) {
    const json::Field list =
        node.require("addresses", "list the node's own address, such as [\"172.16.5.126\"]");
    std::vector<ip::Address> addresses;
    for (const json::Field& field : list.array()) {
        const ip::Address address = field.parsed(ip::Address::parse);
        if (address.family() == ip::Family::v6)
            field.unsupported("is an IPv6 underlay address, which is not supported yet; "
                              "give the node's IPv4 address");
        refuse_second_of_family(field, addresses, address, "address");
        if (is_special(ip::Cidr::host(address)))
            field.fail(field.shown() + " cannot be reached from other nodes; give the address "
                                       "that they send to");
        addresses.push_back(address);
    }
    if (addresses.empty())
        list.fail("[] holds no address; list the node's own, such as [\"172.16.5.126\"]");
    return addresses;
}

std::vector<ip::Cidr> read_pod_cidrs(const json::Field& node) {
    const json::Field list =
        node.require("podCIDRs", "list the node's pod networks, such as [\"10.10.100.0/24\"]");
    std::vector<ip::Cidr> cidrs;
    for (const json::Field& field : list.array()) {
        const ip::Cidr cidr = field.parsed(ip::Cidr::parse);
        if (cidr.family() == ip::Family::v6)
            field.unsupported("is an IPv6 pod network, which is not supported yet; "
                              "give an IPv4 one such as 10.10.100.0/24");
        if (is_special(cidr))
            field.fail(field.shown() + " holds addresses that no pod can have; "
                                       "give a network such as 10.10.100.0/24");
        if (const unsigned longest = ipam::longest_pod_prefix(cidr.family());
            cidr.length() > longest)
            field.fail(field.shown() + " is too small for an endpoint and a pod; give a /" +
                       std::to_string(longest) + " or larger");
        cidrs.push_back(cidr);
    }
    if (cidrs.empty())
        list.fail("[] holds no network; list the node's own, such as [\"10.10.100.0/24\"]");
    return cidrs;
}

std::vector<ip::Address> read_endpoints(const json::Field& node,
                                        const std::vector<ip::Cidr>& cidrs) {
    std::vector<ip::Address> endpoints;
    if (const auto list = node.find("tunnelAddresses")) {
        for (const json::Field& field : list->array()) {
            const ip::Address address = field.parsed(ip::Address::parse);
            refuse_second_of_family(field, endpoints, address, "endpoint");
            const auto home = std::ranges::find_if(
                cidrs, [&](const ip::Cidr& cidr) { return cidr.contains(address); });
            if (home == cidrs.end())
                field.fail(field.shown() + " is outside the node's podCIDRs; give an address of " +
                           cidrs.front().to_string());
            if (const ipam::Range range = ipam::usable(*home); !ipam::contains(range, address))
                field.fail(field.shown() +
                           " is the network's own or its broadcast address; give "
                           "one from " +
                           range.first.to_string() + " to " + range.last.to_string());
            endpoints.push_back(address);
        }
    }
    for (const ip::Family family : {ip::Family::v4, ip::Family::v6})
        if (!address_in(family, endpoints))
            if (const auto computed = ipam::endpoint(cidrs, family))
                endpoints.push_back(*computed);
    return endpoints;
}

/// `values` in order; throws where `clash` holds for two neighbours in it: the later field's fault.
template <typename Value, typename Clash>
void refuse_clashes(std::vector<std::pair<Value, json::Field>> values, Clash clash,
                    const std::string& mend) {
    std::vector<std::size_t> order(values.size());
    for (std::size_t i = 0; i < order.size(); ++i)
        order[i] = i;
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
        return std::pair(values[a].first, a) < std::pair(values[b].first, b);
    });
    for (std::size_t i = 1; i < order.size(); ++i) {
        const auto [first, second] = std::minmax(order[i - 1], order[i]);
        if (clash(values[order[i - 1]].first, values[order[i]].first))
            values[second].second.fail(values[second].second.shown() + ' ' + mend + ' ' +
                                       values[first].second.path() + ", " +
                                       values[first].second.shown());
    }
}

/// What is sent to a peer whose address is a pod's would enter the tunnel that is to carry it.
void refuse_inside(const std::vector<std::pair<ip::Address, json::Field>>& addresses,
                   const std::vector<std::pair<ip::Cidr, json::Field>>& apart) {
    const std::map<ip::Cidr, json::Field> sorted(apart.begin(), apart.end());
    for (const auto& [address, field] : addresses) {
        auto home = sorted.upper_bound(ip::Cidr::host(address));
        if (home != sorted.begin() && (--home)->first.contains(address))
            field.fail(field.shown() + " lies in the pod network " + home->second.path() + ", " +
                       home->second.shown() + "; give an address outside of all podCIDRs");
    }
}

std::string local_addresses(const std::vector<ip::Address>& local) {
    constexpr std::size_t most = 4;
    std::string list;
    std::size_t count = 0;
    for (const ip::Address& address : local)
        if (!is_special(ip::Cidr::host(address)) && ++count <= most)
            list += (list.empty() ? "" : ", ") + address.to_string();
    return count == 0 ? "it has none" : count > most ? list + ", ..." : list;
}

} // namespace

std::optional<ip::Address> address_in(ip::Family family,
                                      const std::vector<ip::Address>& addresses) {
    const auto found = std::ranges::find(addresses, family, &ip::Address::family);
    return found == addresses.end() ? std::nullopt : std::optional(*found);
}

Node read_node(const json::Field& entry) {
    Node node{.name = read_name(entry),
              .addresses = read_addresses(entry),
              .pod_cidrs = read_pod_cidrs(entry),
              .tunnel_addresses = {}};
    node.tunnel_addresses = read_endpoints(entry, node.pod_cidrs);
    return node;
}

json::Value to_json(const Node& node) {
    const auto texts = [](const auto& values) {
        json::Value list = json::Value::array();
        for (const auto& value : values)
            list.push_back(value.to_string());
        return list;
    };
    return {{"name", node.name},
            {"addresses", texts(node.addresses)},
            {"podCIDRs", texts(node.pod_cidrs)},
            {"tunnelAddresses", texts(node.tunnel_addresses)}};
}

std::vector<Node> read_nodes(const json::Field& list) {
    std::vector<Node> nodes;
    std::vector<std::pair<std::string, json::Field>> names;
    std::vector<std::pair<ip::Address, json::Field>> addresses;
    std::vector<std::pair<ip::Cidr, json::Field>> cidrs;
    for (const json::Field& field : list.array()) {
        Node node = read_node(field);
        names.emplace_back(node.name, *field.find("name"));
        const auto address_fields = field.find("addresses")->array();
        for (std::size_t i = 0; i < node.addresses.size(); ++i)
            addresses.emplace_back(node.addresses[i], address_fields[i]);
        const auto cidr_fields = field.find("podCIDRs")->array();
        for (std::size_t i = 0; i < node.pod_cidrs.size(); ++i)
            cidrs.emplace_back(node.pod_cidrs[i], cidr_fields[i]);
        nodes.push_back(std::move(node));
    }
    if (nodes.empty())
        list.fail("[] holds no node; list every node of the cluster, this one too");
    refuse_clashes(std::move(names), std::equal_to<>(),
                   "is a node already, give each its own name:");
    refuse_clashes(addresses, std::equal_to<>(), "belongs to another node, give each its own:");
    // Blocks are nested or apart: sorted by network, one that lies in another has that one, or a
    // third that lies in it too, right before it. So neighbours are all that need comparing.
    refuse_clashes(
        cidrs, [](const ip::Cidr& a, const ip::Cidr& b) { return a.overlaps(b); },
        "overlaps another pod network, give each node its own:");
    refuse_inside(addresses, cidrs);
    return nodes;
}

std::size_t find_self(const std::vector<Node>& nodes, const std::optional<std::string>& node_name,
                      const std::vector<ip::Address>& local) {
    std::optional<std::size_t> self;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const bool mine = node_name ? nodes[i].name == *node_name
                                    : std::ranges::find_first_of(nodes[i].addresses, local) !=
                                          nodes[i].addresses.end();
        if (mine && self)
            throw json::FieldError("nodes: both \"" + nodes[*self].name + "\" and \"" +
                                   nodes[i].name +
                                   "\" have an address of this host; leave one of "
                                   "them, or say which it is with nodeName");
        if (mine)
            self = i;
    }
    if (self)
        return *self;
    if (node_name)
        throw json::FieldError("nodeName: \"" + *node_name +
                               "\" is no node of the list; add it "
                               "to nodes or correct the name");
    throw json::FieldError("nodes: no entry has an address of this host (" +
                           local_addresses(local) +
                           "); add this host, or name its entry with nodeName");
}

} // namespace mesh
