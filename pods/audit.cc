#include "pods/audit.h"

#include "netlink/link.h"
#include "netlink/pod_link.h"
#include "netlink/route.h"
#include "pods/names.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

namespace pods {

namespace {

/// The host ends of the network's pods, by name.
std::map<std::string, netlink::Link> host_links(netlink::Socket& host, const std::string& network) {
    std::map<std::string, netlink::Link> links;
    for (netlink::Link& link : netlink::dump_links(host, "veth"))
        if (is_host_link(network, link.name, link.alias))
            links.emplace(link.name, std::move(link));
    return links;
}

std::set<ip::Cidr> own_destinations(netlink::Socket& host) {
    std::set<ip::Cidr> destinations;
    for (const ip::Family family : {ip::Family::v4, ip::Family::v6})
        for (const netlink::Route& route : netlink::dump_own_routes(host, family))
            if (!route.unreachable)
                destinations.insert(route.destination);
    return destinations;
}

/// A pod whose link is up and to whose address no route leads.
struct Routeless {
    ip::Address address;
    ip::Address endpoint; ///< of this node, in the address's family
    netlink::Link link;
};

std::vector<Routeless> find_routeless(const ipam::Store& store, netlink::Socket& host,
                                      const std::string& network,
                                      const std::vector<ip::Address>& endpoints) {
    const auto leases = store.leases(network);
    if (leases.empty())
        return {};
    const auto links = host_links(host, network);
    const std::set<ip::Cidr> present = own_destinations(host);
    std::vector<Routeless> found;
    for (const auto& [address, owner, since] : leases) {
        const auto link = links.find(host_link_name(owner));
        const auto endpoint = std::ranges::find(endpoints, address.family(), &ip::Address::family);
        if (link != links.end() && link->second.up && endpoint != endpoints.end() &&
            !present.contains(ip::Cidr::host(address)))
            found.push_back({address, *endpoint, link->second});
    }
    return found;
}

} // namespace

std::vector<ipam::Lease> abandoned(const ipam::Store& store, netlink::Socket& host,
                                   const std::string& network) {
    constexpr std::chrono::minutes youth{1};
    auto leases = store.leases(network);
    if (leases.empty())
        return {};
    const auto links = host_links(host, network);
    std::vector<ipam::Lease> found;
    for (ipam::Lease& lease : leases)
        if (ipam::boot_time() - lease.since >= youth &&
            !links.contains(host_link_name(lease.owner)) &&
            !netlink::is_host_route(host, lease.address))
            found.push_back(std::move(lease));
    return found;
}

bool lacks_routes(const ipam::Store& store, netlink::Socket& host, const std::string& network,
                  const std::vector<ip::Address>& endpoints) {
    return !find_routeless(store, host, network, endpoints).empty();
}

std::vector<std::string> restore_routes(const ipam::Store& store, netlink::Socket& host,
                                        const std::string& network,
                                        const std::vector<ip::Address>& endpoints) {
    std::vector<std::string> lines;
    for (const auto& [address, endpoint, link] : find_routeless(store, host, network, endpoints)) {
        std::vector<netlink::Request> requests;
        requests.push_back(netlink::host_route(address, endpoint, link.index));
        const auto error = std::move(host.exchange(requests).front().error);
        if (error && error->number() == ENODEV)
            continue; // a DEL was faster
        if (error)
            throw *error;
        lines.push_back("made the route to the pod " + address.to_string() + " by " + link.name);
    }
    return lines;
}

} // namespace pods
