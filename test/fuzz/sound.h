#pragma once

#include "mesh/nodes.h"
#include "test/fuzz/expect.h"

#include <set>
#include <string>
#include <vector>

/// What mesh::read_nodes promises of the nodes that it returns.
inline void expect_sound(const std::vector<mesh::Node>& nodes) {
    std::set<std::string> names;
    std::set<ip::Address> addresses;
    std::vector<ip::Cidr> cidrs;
    for (const mesh::Node& node : nodes) {
        expect(names.insert(node.name).second, "names are unique");
        expect(!node.addresses.empty() && !node.pod_cidrs.empty(), "a node is complete");
        for (const ip::Address& address : node.addresses)
            expect(addresses.insert(address).second, "addresses are unique");
        expect(node.tunnel_addresses.size() == 1, "a node has an endpoint");
        bool inside = false;
        for (const ip::Cidr& cidr : node.pod_cidrs) {
            inside |= cidr.contains(node.tunnel_addresses[0]);
            for (const ip::Cidr& other : cidrs)
                expect(!cidr.overlaps(other), "pod CIDRs are apart");
            cidrs.push_back(cidr);
        }
        expect(inside, "the endpoint is in a pod CIDR");
    }
    for (const ip::Cidr& cidr : cidrs)
        for (const ip::Address& address : addresses)
            expect(!cidr.contains(address), "no node's address is a pod's");
    expect(mesh::find_self(nodes, nodes.back().name, {}) == nodes.size() - 1,
           "a node is found by name");
}
