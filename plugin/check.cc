#include "cni/error.h"
#include "mesh/lock.h"
#include "mesh/standing.h"
#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/neighbour.h"
#include "netlink/nftables.h"
#include "netlink/pod_link.h"
#include "netlink/route.h"
#include "netlink/rule.h"
#include "plugin/address_source.h"
#include "plugin/attachment.h"
#include "plugin/verbs.h"
#include "pods/names.h"
#include "pods/recovery.h"

#include <algorithm>
#include <cctype>

namespace plugin {

namespace {

constexpr const char* again = "; delete the pod and start it again";

[[noreturn]] void wrong(const std::string& sentence) {
    throw cni::Failure(cni::check_failed, sentence);
}

/// What ADD and the plugins behind it said, as far as it is about this attachment.
struct Expected {
    cni::Result::Interface pod;
    cni::Result::Interface host;
    std::vector<cni::Result::Address> addresses; ///< of the pod's interface
    std::vector<cni::Result::Route> routes;
};

Expected read_expected(const cni::Call& call, const Config& config) {
    const cni::Environment& environment = call.environment;
    if (!config.previous)
        throw json::FieldError("prevResult: is missing; CHECK takes the result of the ADD");
    const auto& interfaces = config.previous->interfaces;
    const auto find = [&](const std::string& name, bool in_pod) {
        const auto found = std::ranges::find_if(interfaces, [&](const auto& interface) {
            return interface.name == name && interface.sandbox.empty() != in_pod;
        });
        if (found == interfaces.end())
            throw json::FieldError("prevResult.interfaces: has no \"" + name + "\" " +
                                   (in_pod ? "in a sandbox" : "of the host") +
                                   "; pass the result of this attachment's own ADD");
        return found;
    };
    const auto pod = find(environment.interface, true);
    if (pod->sandbox != *environment.netns)
        throw json::FieldError("prevResult.interfaces: \"" + pod->name + "\" is in the sandbox \"" +
                               pod->sandbox + "\", and CNI_NETNS is \"" + *environment.netns +
                               "\"; pass the result of this attachment's own ADD");
    Expected expected{
        .pod = *pod,
        .host = *find(pods::host_link_name(owner_of(environment, config.identity)), false),
        .addresses = {},
        .routes = config.previous->routes};
    const auto index = static_cast<std::size_t>(pod - interfaces.begin());
    for (const cni::Result::Address& address : config.previous->addresses)
        if (address.interface == index)
            expected.addresses.push_back(address);
    if (expected.addresses.empty())
        throw json::FieldError("prevResult.ips: has no address of \"" + pod->name +
                               "\"; pass the result of this attachment's own ADD");
    return expected;
}

/// Whether it leads through a gateway of this attachment, and not of an earlier plugin's.
bool is_own(const cni::Result::Route& route, const Expected& expected) {
    return route.gateway &&
           std::ranges::find(expected.addresses, route.gateway, &cni::Result::Address::gateway) !=
               expected.addresses.end();
}

bool is_same_mac(std::string text, const ip::Mac& mac) {
    std::ranges::transform(text, text.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text == mac.to_string();
}

netlink::Link check_link(netlink::Socket& socket, const cni::Result::Interface& expected,
                         const std::string& where) {
    const auto reply = socket.find(netlink::get_link(expected.name));
    const std::string what = where + " interface " + expected.name;
    if (!reply)
        wrong(what + " is gone" + again);
    netlink::Link link = netlink::to_link(reply);
    if (!link.up) // and with its being up went its routes
        wrong(what + " is down" + again);
    if (!expected.mac.empty() && !is_same_mac(expected.mac, link.mac))
        wrong(what + " has the MAC address " + link.mac.to_string() + " instead of " +
              expected.mac + again);
    return link;
}

void check_pod_addresses(netlink::Socket& pod, const netlink::Link& link,
                         const Expected& expected) {
    for (const ip::Family family : {ip::Family::v4, ip::Family::v6}) {
        const auto present = netlink::dump_addresses(pod, family);
        for (const cni::Result::Address& wanted : expected.addresses)
            if (wanted.address.family() == family &&
                std::ranges::none_of(present, [&](const netlink::InterfaceAddress& address) {
                    return address.link == link.index && address.local == wanted.address;
                }))
                wrong("the pod's interface " + link.name + " has lost its address " +
                      wanted.address.to_string() + again);
    }
}

/// Of a further interface of the pod, as long as no later plugin moved the routes elsewhere.
std::uint32_t table_of(const netlink::Link& pod) {
    return netlink::own_table({.host = pod.peer_index, .pod = pod.index});
}

void check_pod_rules(netlink::Socket& pod, const netlink::Link& link, ip::Family family,
                     const Expected& expected) {
    const std::uint32_t table = table_of(link);
    const auto present = netlink::dump_own_rules(pod, family);
    for (const cni::Result::Address& address : expected.addresses)
        if (address.address.family() == family &&
            std::ranges::find(present, netlink::Rule{address.address, table}) == present.end())
            wrong("the pod has lost its rule for packets from " + address.address.to_string() +
                  ", which leads them to table " + std::to_string(table) + again);
}

/// In any table: a later plugin, such as sbr, may have moved them into one of its own.
void check_pod_routes(netlink::Socket& pod, const netlink::Link& link, const Expected& expected) {
    for (const ip::Family family : {ip::Family::v4, ip::Family::v6}) {
        const auto present = netlink::dump_routes(pod, family);
        const auto require = [&](const ip::Cidr& destination,
                                 const std::optional<ip::Address>& gateway) {
            if (std::ranges::none_of(present, [&](const netlink::Route& route) {
                    return route.link == link.index && route.destination == destination &&
                           route.gateway == gateway;
                }))
                wrong("the pod has lost its route " + destination.to_string() +
                      (gateway ? " via " + gateway->to_string() : "") + " dev " + link.name +
                      again);
        };
        for (const cni::Result::Address& address : expected.addresses)
            if (address.gateway && address.gateway->family() == family)
                require(ip::Cidr::host(*address.gateway), std::nullopt);
        for (const cni::Result::Route& route : expected.routes)
            if (route.destination.family() == family && is_own(route, expected))
                require(route.destination, route.gateway);
        if (std::ranges::find(present, table_of(link), &netlink::Route::table) != present.end())
            check_pod_rules(pod, link, family, expected);
    }
}

/// The MAC address that ADD gave the pod's interface.
ip::Mac given_mac(const cni::Environment& environment, const Config& config) {
    return config.mac.value_or(
        pods::link_mac(owner_of(environment, config.identity), pods::End::pod));
}

/// Where a later plugin changed the MAC address that was `given`, the kernel has forgotten the
/// neighbours (neigh_changeaddr), and the pod finds them by ARP.
void check_pod_neighbours(netlink::Socket& pod, const netlink::Link& link, const ip::Mac& given,
                          const ip::Mac& host, const Expected& expected) {
    for (const cni::Result::Address& address : expected.addresses) {
        if (!address.gateway)
            continue;
        const auto reply = pod.find(netlink::get_neighbour(link.index, *address.gateway));
        const auto known = reply ? netlink::to_neighbour(reply).mac : std::nullopt;
        if (known != host && (known || link.mac == given))
            wrong("the pod does not know the MAC address " + host.to_string() + " of its gateway " +
                  address.gateway->to_string() + again);
    }
}

/// Too large a packet is lost in the tunnels; a smaller MTU may be a later plugin's wish.
void check_mtu(const netlink::Link& link, std::uint32_t most) {
    if (link.mtu > most)
        wrong("the pod's interface " + link.name + " has an MTU of " + std::to_string(link.mtu) +
              ", and the tunnels carry " + std::to_string(most) + "; lower it (ip link set " +
              link.name + " mtu " + std::to_string(most) + ')');
}

/// systemd-sysctl, in its defaults, makes a strict check of each new device a loose one; the rules
/// are as strict, where they can be and know the device, by its group.
bool checks_sources(const netlink::Link& link) {
    constexpr int strict = 1, loose = 2;
    return link.rp_filter == strict || (link.rp_filter == loose && netlink::looks_for_way_back());
}

void check_host_end(netlink::Socket& host, const netlink::Link& link, const netlink::Link& pod,
                    const Config& config, const Expected& expected) {
    const std::string what = "the host's interface " + link.name;
    if (link.peer_index != pod.index)
        wrong(what + " is not the other end of the pod's " + pod.name + again);
    if (!link.forwarding)
        wrong("forwarding on " + link.name + " is off; turn it on (sysctl net.ipv4.conf." +
              link.name + ".forwarding=1)");
    if (config.settings.check_source && link.group != netlink::pod_group)
        wrong(link.name + " is not in the group of pods' links; put it back (ip link set " +
              link.name + " group " + std::to_string(netlink::pod_group) + ')');
    if (config.settings.check_source && !checks_sources(link))
        wrong("the source check of " + link.name + " is off; turn it on (sysctl net.ipv4.conf." +
              link.name + ".rp_filter=1)");
    for (const cni::Result::Address& address : expected.addresses) {
        const auto reply = host.find(netlink::get_route(address.address));
        const netlink::Route route = reply ? netlink::to_route(reply).route : netlink::Route{};
        const std::string wanted = address.address.to_string() + " dev " + link.name +
                                   (address.gateway ? " src " + address.gateway->to_string() : "");
        if (route.destination != ip::Cidr::host(address.address) || route.link != link.index)
            wrong("the host's route to " + wanted + " is missing; put it back (ip route replace " +
                  wanted + " proto " + std::to_string(netlink::own_protocol) + ')');
    }
}

void check_lease(const ipam::Store& store, const ipam::Owner& owner, const Expected& expected) {
    const auto held = store.find(owner);
    for (const cni::Result::Address& address : expected.addresses)
        if (std::ranges::find(held, address.address) == held.end())
            wrong("the address " + address.address.to_string() + " is not leased to interface " +
                  owner.interface + " of container " + owner.container + again);
}

mesh::Inspection inspect_mesh(netlink::Socket& host, const Config& config) {
    const auto& [nodes, self] = config.cluster.listing();
    return mesh::inspect(host, nodes, self, config.settings);
}

} // namespace

void check(Host& here, const cni::Call& call, const Config& config) {
    const cni::Environment& environment = call.environment;
    const Expected expected = read_expected(call, config);
    netlink::Pod pod(open_pod(environment));
    netlink::Socket& host = here.route.emplace();
    ipam::Store& store = here.store.emplace(pods::open_leases(host, config.identity.state_dir));

    mesh::Inspection mesh = inspect_mesh(host, config);
    if (!mesh.wrongs.empty()) {
        // Or the agent is changing it: the nodes file comes after the kernel.
        const auto unchanging = mesh::shut(config.identity.state_dir);
        mesh = inspect_mesh(host, read_config(call));
    }
    if (!mesh.wrongs.empty()) { // what a pod lacks may have gone with it
        mesh::doubt(config.settings.network, config.identity.state_dir);
        wrong(mesh.wrongs.front() + "; the next ADD, or ipipd where it runs, puts it right (" +
              std::to_string(mesh.wrongs.size()) + " such)");
    }
    const netlink::Link inside = check_link(pod.socket(), expected.pod, "the pod's");
    check_mtu(inside, mesh.pod_mtu);
    check_pod_addresses(pod.socket(), inside, expected);
    const netlink::Link outside = check_link(host, expected.host, "the host's");
    check_pod_routes(pod.socket(), inside, expected);
    check_pod_neighbours(pod.socket(), inside, given_mac(environment, config), outside.mac,
                         expected);
    check_host_end(host, outside, inside, config, expected);
    check_lease(store, owner_of(environment, config.identity), expected);
    make_address_source(call, store, host)->check();
}

} // namespace plugin
