#include "pods/mend.h"

#include "netlink/link.h"
#include "netlink/pod_link.h"
#include "netlink/route.h"
#include "pods/host_links.h"
#include "pods/names.h"

#include <algorithm>
#include <cerrno>
#include <set>

namespace pods {

namespace {

std::set<ip::Cidr> own_destinations(netlink::Socket& host) {
    std::set<ip::Cidr> destinations;
    for (const ip::Family family : {ip::Family::v4, ip::Family::v6})
        for (const netlink::Route& route : netlink::dump_own_routes(host, family))
            if (!route.unreachable)
                destinations.insert(route.destination);
    return destinations;
}

/// A pod whose link is there and something else is not.
struct Impaired {
    ip::Address address;
    ip::Address endpoint; ///< of this node, in the address's family
    std::string name;     ///< the link's, as it was made
    netlink::Link link;
    bool routeless;
};

/// By its group the rules of the source check know it.
bool is_as_made(const netlink::Link& link) {
    return link.up && link.forwarding && link.group == netlink::pod_group;
}

std::vector<Impaired> find_impaired(const ipam::Store& store, netlink::Socket& host,
                                    const Mended& which) {
    const auto leases = store.leases(which.network);
    if (leases.empty())
        return {};
    const HostLinks links(host, which.network);
    const std::set<ip::Cidr> present = own_destinations(host);
    std::vector<Impaired> found;
    for (const auto& [address, owner, since] : leases) {
        const netlink::Link* link = links.find(owner);
        const auto endpoint =
            std::ranges::find(which.endpoints, address.family(), &ip::Address::family);
        if (link == nullptr || endpoint == which.endpoints.end())
            continue;
        // A link that is down has lost its routes, whether or not the dump still had them.
        const bool routeless = !link->up || !present.contains(ip::Cidr::host(address));
        const std::string name = host_link_name(owner);
        if (routeless || !is_as_made(*link) || link->name != name)
            found.push_back({address, *endpoint, name, *link, routeless});
    }
    return found;
}

/// Nothing to say about a link that is gone: a DEL was faster.
bool succeeded(const netlink::Socket::Answer& answer) {
    if (answer.error && answer.error->number() != ENODEV)
        throw *answer.error;
    return !answer.error;
}

std::string describe(const Impaired& pod) {
    return pod.link.name + ", of the pod " + pod.address.to_string();
}

/// Takes the link down for it, as kernels before 6.2 rename no other, and leaves that to be mended.
void mend_name(netlink::Socket& host, Impaired& pod, Mending& result) {
    if (pod.link.name == pod.name)
        return;
    const auto reply = host.find(netlink::get_link(pod.name));
    const bool done = reply && netlink::to_link(reply).index == pod.link.index; // for its twin
    if (reply && !done) {
        result.in_the_way.push_back("a device of the name " + pod.name +
                                    " stands in the place of the link " + describe(pod) +
                                    "; rename it (ip link set " + pod.name + " name NAME)");
        return;
    }
    if (!done) {
        std::vector<netlink::Request> requests;
        requests.push_back(netlink::take_down(pod.link.index));
        requests.push_back(netlink::rename_link(pod.link.index, pod.name));
        if (!succeeded(host.exchange(requests).back()))
            return;
        result.done.push_back("gave its name " + pod.name + " back to the link " + describe(pod));
    }
    pod.link.name = pod.name;
    pod.link.up = false;
    pod.routeless = true;
}

void mend_link(netlink::Socket& host, const Impaired& pod, Mending& result) {
    if (is_as_made(pod.link))
        return;
    if (!succeeded(host.exchange(netlink::configure(
            pod.link.name, {.forwarding = true, .group = netlink::pod_group, .up = true}))))
        return;
    if (!pod.link.up)
        result.done.push_back("brought up the link " + describe(pod));
    if (!pod.link.forwarding)
        result.done.push_back("turned on forwarding on " + describe(pod));
    if (pod.link.group != netlink::pod_group)
        result.done.push_back("put back into its group the link " + describe(pod));
}

void mend_route(netlink::Socket& host, const Impaired& pod, Mending& result) {
    if (!pod.routeless)
        return;
    const auto answer =
        host.exchange(netlink::host_route(pod.address, pod.endpoint, pod.link.index));
    const std::string shown = pod.address.to_string();
    if (answer.error && answer.error->number() == EEXIST)
        result.in_the_way.push_back("a route to the pod " + shown +
                                    " that this network did not make stands in the place of its "
                                    "own; remove it (ip route show " +
                                    shown + ')');
    else if (succeeded(answer))
        result.done.push_back("made the route to the pod " + shown + " by " + pod.link.name);
}

} // namespace

bool need_mending(const ipam::Store& store, netlink::Socket& host, const Mended& which) {
    return !find_impaired(store, host, which).empty();
}

Mending mend(const ipam::Store& store, netlink::Socket& host, const Mended& which) {
    Mending result;
    for (Impaired& pod : find_impaired(store, host, which)) {
        mend_name(host, pod, result);
        mend_link(host, pod, result);
        mend_route(host, pod, result);
    }
    return result;
}

} // namespace pods
