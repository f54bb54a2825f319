// The mesh by itself, without process start and configuration:
//
//   mesh make|again|change|clear pairs|shared PEERS
//
// in the network namespace of who calls it, whose address on the wire is 172.16.5.126. Prints the
// milliseconds that it took. "again" finds it as it should be, "change" gives one node another
// pod CIDR, "clear" removes it all.
#include "mesh/reconcile.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

using ip::Address;
using ip::Cidr;

/// Number 0 is this host.
mesh::Node node(int number) {
    const std::string place = std::to_string(number / 256) + '.' + std::to_string(number % 256);
    const std::string network =
        "10." + std::to_string(64 + number / 256) + '.' + std::to_string(number % 256);
    return {.name = "host" + std::to_string(number),
            .addresses = {Address::parse(number == 0 ? "172.16.5.126" : "172.18." + place)},
            .pod_cidrs = {Cidr::parse(network + ".0/24")},
            .tunnel_addresses = {Address::parse(network + ".1")}};
}

std::vector<mesh::Node> nodes(int peers) {
    std::vector<mesh::Node> list;
    for (int i = 0; i <= peers; ++i)
        list.push_back(node(i));
    return list;
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 4)
        throw std::invalid_argument("see the head of mesh.cc for what it does");
    const std::string what = argv[1];
    const bool is_shared = argv[2] == std::string("shared");
    std::vector<mesh::Node> list = nodes(std::atoi(argv[3]));
    if (what == "change")
        list.back().pod_cidrs = {Cidr::parse("10.200.0.0/24")};
    const auto begin = std::chrono::steady_clock::now();
    netlink::Socket route;
    std::size_t changes = 0;
    if (what == "clear")
        changes = mesh::dismantle(route, "podnet", {}).size();
    else
        changes = mesh::reconcile(
                      route, list, "host0",
                      {.network = "podnet",
                       .topology = is_shared ? mesh::Topology::shared : mesh::Topology::pairs})
                      .changes.size();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    if ((changes == 0) != (what == "again"))
        throw std::runtime_error(std::to_string(changes) + " changes");
    std::printf("%.2f\n", took.count());
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "mesh: %s\n", error.what());
    return 1;
}
