#include "test/unit/plan_model.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace mesh {

namespace {

/// Whether the kernel takes two addresses for one: it looks at neither label nor scope.
bool is_same(const netlink::InterfaceAddress& a, const netlink::InterfaceAddress& b) {
    return a.link == b.link && a.local == b.local && a.prefix == b.prefix &&
           a.peer.value_or(a.local) == b.peer.value_or(b.local);
}

/// The network that an address makes its device part of.
std::pair<int, ip::Cidr> network_of(const netlink::InterfaceAddress& address) {
    return {address.link, ip::Cidr(address.peer.value_or(address.local), address.prefix)};
}

std::string shown(const std::optional<ip::Address>& address) {
    return address ? address->to_string() : "-";
}

} // namespace

void PlanModel::apply(const Changes& changes, const std::function<void()>& after_each) {
    const auto each = [&](const auto& list, const auto& carry_out) {
        for (const auto& item : list) {
            carry_out(item);
            after_each();
        }
    };
    const auto set = [&](const auto& settings) { configure(settings); };
    const auto remove_name = [&](const std::string& name) { remove_link(name); };
    const auto remove_item = [&](const auto& item) { remove(item); };
    const auto place_item = [&](const auto& item) { place(item); };
    each(changes.delete_first, remove_name);
    each(changes.make, [&](const auto& device) { make(device); });
    each(changes.change, [&](const auto& device) { change(device); });
    each(changes.configure, set);
    each(changes.loosen, set);
    each(changes.add_addresses, place_item);
    each(changes.bring_up, set);
    each(changes.add_routes, place_item);
    each(changes.tighten, set);
    // The kernel's own routes, delete_endpoint_routes, are none of the model's.
    each(changes.delete_routes, remove_item);
    each(changes.delete_addresses, remove_item);
    each(changes.delete_devices, remove_name);
}

bool PlanModel::takes_packets_from(const ip::Address& remote, const ip::Cidr& pods) const {
    const netlink::Link* taker = nullptr;
    for (const netlink::Link& link : state_.tunnels)
        if (link.up && (link.remote == remote || (!link.remote && taker == nullptr)))
            taker = &link;
    const auto route = std::ranges::find(state_.routes, pods, &netlink::Route::destination);
    const bool has_route = route != state_.routes.end() && !route->unreachable;
    if (taker == nullptr || taker->rp_filter == 0)
        return taker != nullptr;
    if (!has_route || route->link == taker->index)
        return has_route;
    const bool has_address =
        std::ranges::find(state_.addresses, taker->index, &netlink::InterfaceAddress::link) !=
        state_.addresses.end();
    return taker->rp_filter == 2 && has_address;
}

bool PlanModel::leads_to(const ip::Address& remote, const ip::Cidr& pods) const {
    const auto route = std::ranges::find(state_.routes, pods, &netlink::Route::destination);
    return route != state_.routes.end() &&
           std::ranges::any_of(state_.tunnels, [&](const netlink::Link& link) {
               return link.index == route->link && link.up &&
                      link.remote.value_or(route->gateway.value_or(ip::Address())) == remote;
           });
}

netlink::Link& PlanModel::link(const std::string& name) {
    const auto found = std::ranges::find(state_.tunnels, name, &netlink::Link::name);
    if (found == state_.tunnels.end())
        throw std::out_of_range("there is no device " + name);
    return *found;
}

void PlanModel::add(netlink::Link link) {
    if (link.index == 0)
        link.index = next_index_++;
    state_.tunnels.push_back(std::move(link));
}

void PlanModel::bring_down(const std::string& name) {
    link(name).up = false;
    std::erase_if(state_.routes,
                  [index = link(name).index](const auto& route) { return route.link == index; });
}

void PlanModel::remove(const netlink::InterfaceAddress& address) {
    const auto removed = std::ranges::find_if(
        state_.addresses, [&](const auto& other) { return is_same(address, other); });
    if (removed == state_.addresses.end())
        throw Refused("there is no address " + address.local.to_string() + " to delete");
    // The younger ones of the same network, which is that of the peer, go along.
    if (!keeps_secondaries_.contains(address.link))
        state_.addresses.erase(std::remove_if(removed + 1, state_.addresses.end(),
                                              [network = network_of(address)](const auto& other) {
                                                  return network_of(other) == network;
                                              }),
                               state_.addresses.end());
    state_.addresses.erase(removed);
    drop_routes_without_source();
}

void PlanModel::remove(const netlink::Route& route) {
    if (std::erase(state_.routes, route) == 0)
        throw Refused("there is no route " + route.destination.to_string() + " to delete");
}

void PlanModel::remove_link(const std::string& name) {
    const int index = index_of(name);
    std::erase_if(state_.tunnels, [&](const auto& entry) { return entry.index == index; });
    std::erase_if(state_.routes, [&](const auto& route) { return route.link == index; });
    std::erase_if(state_.addresses, [&](const auto& address) { return address.link == index; });
    drop_routes_without_source();
}

void PlanModel::make(const netlink::TunnelDevice& device) {
    if (std::ranges::find(state_.tunnels, device.name, &netlink::Link::name) !=
        state_.tunnels.end())
        throw Refused("there is a device " + device.name + " already");
    refuse_second(device);
    netlink::Link made;
    made.name = device.name;
    made.kind = "ipip";
    made.mtu = device.mtu;
    made.local = device.local;
    made.remote = device.remote;
    made.ttl = device.ttl;
    made.path_mtu_discovery = true;
    add(made);
}

void PlanModel::change(const netlink::TunnelDevice& device) {
    refuse_second(device);
    index_of(device.name); // which must be there
    netlink::Link& changed = link(device.name);
    changed.alias = device.alias;
    changed.local = device.local;
    changed.remote = device.remote;
    changed.ttl = device.ttl;
    changed.mtu = device.mtu;
    changed.path_mtu_discovery = true;
    changed.up = true;
}

void PlanModel::configure(const Changes::Configure& change) {
    index_of(change.device);
    netlink::Link& changed = link(change.device);
    changed.alias = change.settings.alias.value_or(changed.alias);
    changed.forwarding = change.settings.forwarding.value_or(changed.forwarding);
    changed.rp_filter = change.settings.rp_filter.value_or(changed.rp_filter);
    changed.up = changed.up || change.settings.up;
    if (change.settings.keep_secondaries)
        keeps_secondaries_.insert(changed.index);
}

void PlanModel::place(const Changes::Address& change) {
    netlink::InterfaceAddress address = change.address;
    address.link = index_of(change.device);
    if (std::ranges::any_of(state_.addresses,
                            [&](const auto& other) { return is_same(address, other); }))
        throw Refused("there is an address " + address.local.to_string() + " already on " +
                      change.device);
    state_.addresses.push_back(address);
}

void PlanModel::place(const Changes::Route& change) {
    netlink::Route route = change.route;
    route.link = index_of(change.device);
    const std::string what = "the route " + route.destination.to_string();
    if (!route.unreachable && !link(change.device).up)
        throw Refused(what + " leads through " + change.device + ", which is down");
    if (route.source &&
        std::ranges::find(state_.addresses, *route.source, &netlink::InterfaceAddress::local) ==
            state_.addresses.end())
        throw Refused(what + " has a source that is not the host's");
    const auto other = std::ranges::find_if(state_.routes, [&](const auto& entry) {
        return entry.destination == route.destination && entry.metric == route.metric;
    });
    if (other == state_.routes.end())
        state_.routes.push_back(route);
    else if (change.if_exists == netlink::IfExists::fail)
        throw Refused(what + " is there already");
    else
        *other = route;
}

void PlanModel::refuse_second(const netlink::TunnelDevice& device) const {
    for (const netlink::Link& other : state_.tunnels)
        if (other.name != device.name && other.local == device.local &&
            other.remote == device.remote)
            throw Refused(other.name + " is a tunnel between the addresses of " + device.name);
}

int PlanModel::index_of(const std::string& device) {
    if (device.empty())
        return 0;
    if (device == "lo")
        return loopback_index;
    try {
        return link(device).index;
    } catch (const std::out_of_range& error) {
        throw Refused(error.what());
    }
}

std::string PlanModel::name_of(int index) const {
    const auto found = std::ranges::find(state_.tunnels, index, &netlink::Link::index);
    return found == state_.tunnels.end() ? std::to_string(index) : found->name;
}

void PlanModel::drop_routes_without_source() {
    std::erase_if(state_.routes, [&](const netlink::Route& route) {
        return route.source &&
               std::ranges::find(state_.addresses, *route.source,
                                 &netlink::InterfaceAddress::local) == state_.addresses.end();
    });
}

std::string PlanModel::to_string() const {
    std::vector<std::string> lines;
    const auto add_line = [&](const auto&... parts) {
        std::ostringstream line;
        ((line << parts << ' '), ...);
        lines.push_back(line.str());
    };
    for (const auto& link : state_.tunnels)
        add_line("link", link.name, link.alias, shown(link.local), shown(link.remote),
                 int{link.ttl}, link.mtu, link.up, link.path_mtu_discovery, link.forwarding,
                 link.rp_filter);
    for (const auto& address : state_.addresses)
        add_line("address", name_of(address.link), address.local.to_string(), shown(address.peer),
                 address.prefix, address.label, address.link_scope);
    for (const auto& route : state_.routes)
        add_line("route", route.destination.to_string(), name_of(route.link), shown(route.gateway),
                 shown(route.source), route.metric, int{route.protocol}, route.unreachable);
    std::ranges::sort(lines);
    std::string text;
    for (const std::string& line : lines)
        text += line + '\n';
    return text;
}

Node numbered_node(int number) {
    const std::string digits = std::to_string(number);
    return {.name = "host" + digits,
            .addresses = {ip::Address::parse("172.16.5." + digits)},
            .pod_cidrs = {ip::Cidr::parse("10.10." + digits + ".0/24")},
            .tunnel_addresses = {ip::Address::parse("10.10." + digits + ".1")}};
}

std::vector<Node> numbered_nodes(const std::vector<int>& numbers) {
    std::vector<Node> nodes;
    for (const int number : numbers)
        nodes.push_back(numbered_node(number));
    return nodes;
}

Wanted wanted_by(const std::vector<Node>& nodes, std::size_t self) {
    const ip::Address endpoint = nodes[self].tunnel_addresses[0];
    Wanted wanted{.network = "podnet",
                  .tunnels = {},
                  .endpoint = endpoint,
                  .own_pod_cidrs = nodes[self].pod_cidrs};
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (i == self)
            continue;
        netlink::TunnelDevice device{.name = device_name(nodes[i].addresses[0]),
                                     .alias = device_alias("podnet", nodes[i].name),
                                     .local = nodes[self].addresses[0],
                                     .remote = nodes[i].addresses[0],
                                     .ttl = 64,
                                     .mtu = 1480};
        wanted.tunnels.push_back({.device = std::move(device),
                                  .endpoint = endpoint,
                                  .peer_endpoint = nodes[i].tunnel_addresses[0],
                                  .ways = {}});
        for (const ip::Cidr& pod_cidr : nodes[i].pod_cidrs)
            wanted.tunnels.back().ways.push_back({pod_cidr, nodes[i].addresses[0]});
    }
    return wanted;
}

Wanted wanted_shared_by(const std::vector<Node>& nodes, std::size_t self) {
    Wanted wanted = wanted_by(nodes, self);
    if (wanted.tunnels.empty())
        return wanted;
    Tunnel all = wanted.tunnels.front();
    all.device.name = device_name(std::nullopt);
    all.device.alias = device_alias("podnet", "*");
    all.device.remote.reset();
    all.peer_endpoint.reset();
    all.ways.clear();
    for (const Tunnel& tunnel : wanted.tunnels)
        all.ways.insert(all.ways.end(), tunnel.ways.begin(), tunnel.ways.end());
    wanted.tunnels = {std::move(all)};
    return wanted;
}

PlanModel standing(const Wanted& wanted) {
    PlanModel host;
    host.apply(plan(wanted, host.state()));
    return host;
}

} // namespace mesh
