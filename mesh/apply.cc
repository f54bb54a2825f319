#include "mesh/apply.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

namespace mesh {

namespace {

using Indices = std::map<std::string, int>;

/// Makes the new devices and returns the index of every device that a change can name.
Indices make_devices(netlink::Socket& route, const Changes& changes, const Observed& observed) {
    Indices indices{{"", 0}, {"lo", loopback_index}}; // an unreachable route has no device
    for (const netlink::Link& link : observed.tunnels)
        indices.emplace(link.name, link.index);
    std::vector<netlink::Request> requests;
    for (const std::string& name : changes.delete_first) {
        requests.push_back(netlink::delete_link(name));
        requests.back().may_fail = true; // gone by itself
    }
    for (const netlink::TunnelDevice& device : changes.make) {
        requests.push_back(netlink::make_tunnel(device));
        // An ipip device carries no IPv6: what such an address would send only counts as errors.
        requests.push_back(netlink::without_ipv6_address(device.name));
        requests.push_back(netlink::get_link(device.name));
    }
    const auto answers = route.exchange(requests);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        const netlink::Socket::Answer& answer = answers[i];
        if (answer.error && !requests[i].may_fail && answer.error->number() == EOPNOTSUPP)
            throw NoTunnels();
        if (answer.error && !requests[i].may_fail)
            throw *answer.error;
        if (answer.reply) {
            const netlink::Link link = netlink::to_link(answer.reply);
            indices.insert_or_assign(link.name, link.index);
        }
    }
    return indices;
}

void set_up_devices(netlink::Socket& route, const Changes& changes) {
    std::vector<netlink::Request> requests;
    for (const netlink::TunnelDevice& device : changes.change)
        requests.push_back(netlink::change_tunnel(device));
    for (const auto& [device, settings] : changes.configure)
        requests.push_back(netlink::configure(device, settings));
    route.run(requests);
}

void add_addresses(netlink::Socket& route, const Changes& changes, const Indices& indices) {
    std::vector<netlink::Request> requests;
    for (const auto& [device, address] : changes.add_addresses) {
        netlink::InterfaceAddress placed = address;
        placed.link = indices.at(device);
        requests.push_back(netlink::add_address(placed));
    }
    const auto answers = route.exchange(requests);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (!answers[i].error)
            continue;
        const auto& [device, address] = changes.add_addresses[i];
        const std::string shown = address.local.to_string();
        if (answers[i].error->number() == EEXIST)
            throw Conflict("the address " + shown + " is on " + device +
                           " already, and this network did not put it there; remove it "
                           "(ip address delete " +
                           shown + " dev " + device + ')');
        throw *answers[i].error;
    }
}

void add_routes(netlink::Socket& route, const Changes& changes, const Indices& indices) {
    std::vector<netlink::Request> requests;
    for (const auto& [device, wanted, if_exists] : changes.add_routes) {
        netlink::Route placed = wanted;
        placed.link = indices.at(device);
        requests.push_back(netlink::add_route(placed, if_exists));
    }
    const auto answers = route.exchange(requests);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (!answers[i].error)
            continue;
        const std::string destination = changes.add_routes[i].route.destination.to_string();
        if (answers[i].error->number() == EEXIST)
            throw Conflict("a route to " + destination +
                           " that this network did not make stands "
                           "already; remove it (ip route show " +
                           destination + ')');
        throw *answers[i].error;
    }
}

void remove(netlink::Socket& route, const Changes& changes) {
    std::vector<netlink::Request> requests;
    for (const netlink::Route& unwanted : changes.delete_routes)
        requests.push_back(netlink::delete_route(unwanted));
    for (const netlink::InterfaceAddress& address : changes.delete_addresses)
        requests.push_back(netlink::delete_address(address));
    for (const std::string& name : changes.delete_devices)
        requests.push_back(netlink::delete_link(name));
    for (const netlink::Socket::Answer& answer : route.exchange(requests)) {
        // A route goes with its source address, an address with its device: gone is gone.
        constexpr std::array gone{ESRCH, ENODEV, EADDRNOTAVAIL};
        if (answer.error && std::ranges::find(gone, answer.error->number()) == gone.end())
            throw *answer.error;
    }
}

std::string shown(const netlink::TunnelDevice& device) {
    return device.name + " (" + device.alias + ") to " + device.remote.to_string() + ", MTU " +
           std::to_string(device.mtu);
}

} // namespace

void apply(netlink::Socket& route, const Changes& changes, const Observed& observed) {
    const Indices indices = make_devices(route, changes, observed);
    set_up_devices(route, changes);
    add_addresses(route, changes, indices);
    add_routes(route, changes, indices); // and moves those that stay, before their old way goes
    remove(route, changes);
}

std::vector<std::string> describe(const Changes& changes) {
    std::vector<std::string> lines;
    for (const auto& name : changes.delete_first)
        lines.push_back("deleted the tunnel " + name + ", which led elsewhere");
    for (const auto& device : changes.make)
        lines.push_back("made the tunnel " + shown(device));
    for (const auto& device : changes.change)
        lines.push_back("changed the tunnel " + shown(device));
    for (const auto& [device, settings] : changes.configure)
        lines.push_back("set alias, forwarding and source check of " + device);
    for (const auto& [device, address] : changes.add_addresses)
        lines.push_back("added the address " + address.local.to_string() + " to " + device);
    for (const auto& [device, route, if_exists] : changes.add_routes)
        lines.push_back((if_exists == netlink::IfExists::fail ? "added" : "changed") +
                        (" the route " + route.destination.to_string()) +
                        (device.empty() ? ", unreachable" : " to " + device));
    for (const auto& route : changes.delete_routes)
        lines.push_back("deleted the route " + route.destination.to_string());
    for (const auto& address : changes.delete_addresses)
        lines.push_back("deleted the address " + address.local.to_string());
    for (const auto& name : changes.delete_devices)
        lines.push_back("deleted the tunnel " + name);
    return lines;
}

std::vector<std::string> describe_wrongs(const Changes& changes) {
    std::vector<std::string> lines;
    for (const auto& name : changes.delete_first)
        lines.push_back("the tunnel " + name + " leads elsewhere");
    for (const auto& device : changes.make)
        lines.push_back("the tunnel " + shown(device) + " is missing");
    for (const auto& device : changes.change)
        lines.push_back("the tunnel " + shown(device) + " is down or not as it was made");
    for (const auto& [device, settings] : changes.configure)
        lines.push_back("forwarding or source check of " + device + " is off");
    for (const auto& [device, address] : changes.add_addresses)
        lines.push_back("the address " + address.local.to_string() + " on " + device +
                        " is missing");
    for (const auto& [device, route, if_exists] : changes.add_routes)
        lines.push_back("the route " + route.destination.to_string() +
                        (device.empty() ? ", unreachable," : " to " + device) +
                        (if_exists == netlink::IfExists::fail ? " is missing" : " is wrong"));
    for (const auto& route : changes.delete_routes)
        lines.push_back("the route " + route.destination.to_string() + " is left over");
    for (const auto& address : changes.delete_addresses)
        lines.push_back("the address " + address.local.to_string() + " is left over");
    for (const auto& name : changes.delete_devices)
        lines.push_back("the tunnel " + name + " is left over");
    return lines;
}

} // namespace mesh
