#include "mesh/reconcile.h"

#include "mesh/apply.h"
#include "mesh/observe.h"
#include "mesh/plan.h"
#include "mesh/underlay.h"
#include "netlink/forwarding.h"
#include "netlink/nftables.h"
#include "netlink/pod_link.h"

#include <algorithm>
#include <set>

namespace mesh {

namespace {

constexpr std::uint32_t ipip_overhead = 20; // an IPv4 header without options, RFC 2003 section 3
constexpr std::uint32_t smallest_mtu = 68;  // what every IPv4 link carries, RFC 791 section 3.2

// Stands for any address outside the cluster, to find the device of the default route: TEST-NET-2
// of RFC 5737 is routed nowhere in particular.
const char* const anywhere = "198.51.100.1";

const char* const rules_removed = "removed the nftables rules";

ip::Address underlay_address(const Node& node) {
    return *address_in(ip::Family::v4, node.addresses);
}

/// Each once, as every tunnel bears the same one.
std::vector<ip::Address> locals(const Observed& observed) {
    std::vector<ip::Address> addresses;
    for (const netlink::InterfaceAddress& address : observed.addresses)
        if (addresses.empty() || addresses.back() != address.local)
            addresses.push_back(address.local);
    std::ranges::sort(addresses);
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    return addresses;
}

/// The device that bears the node's underlay address.
netlink::Link own_device(netlink::Socket& route, const Node& self, const Observed& observed) {
    const ip::Address own = underlay_address(self);
    const auto bearer =
        std::ranges::find(observed.addresses, own, &netlink::InterfaceAddress::local);
    if (bearer != observed.addresses.end())
        if (const auto reply = route.find(netlink::get_link(bearer->link)))
            return netlink::to_link(reply);
    throw Conflict("the address " + own.to_string() + " of the node \"" + self.name +
                   "\" is not on this host; give the node one that is (ip address show)");
}

using Peers = std::vector<const Node*>;

Peers peers_of(const Node& self, const std::vector<Node>& nodes) {
    Peers peers;
    for (const Node& node : nodes)
        if (&node != &self)
            peers.push_back(&node);
    return peers;
}

Underlay underlay_towards(const Peers& peers, netlink::Socket& route, const Settings& settings) {
    std::vector<ip::Address> remotes;
    for (const Node* peer : peers)
        remotes.push_back(underlay_address(*peer));
    if (settings.masquerade)
        remotes.push_back(ip::Address::parse(anywhere));
    return look_at_underlay(route, remotes);
}

/// The largest packet, bytes, for a tunnel whose outer packets may have `outer`.
std::uint32_t inner_mtu(const Settings& settings, std::uint32_t outer) {
    const std::uint32_t inner = std::max(outer, smallest_mtu + ipip_overhead) - ipip_overhead;
    return settings.mtu != 0 ? settings.mtu : inner;
}

std::vector<Tunnel::Way> ways_to(const Node& peer, const ip::Address& remote) {
    std::vector<Tunnel::Way> ways;
    ways.reserve(peer.pod_cidrs.size());
    for (const ip::Cidr& pod_cidr : peer.pod_cidrs)
        ways.push_back({pod_cidr, remote});
    return ways;
}

Tunnel pair_tunnel(const Node& self, const Node& peer, const Settings& settings,
                   std::uint32_t mtu) {
    const ip::Address remote = underlay_address(peer);
    return {.device = {.name = device_name(remote),
                       .alias = device_alias(settings.network, peer.name),
                       .local = underlay_address(self),
                       .remote = remote,
                       .ttl = settings.ttl,
                       .mtu = mtu},
            .endpoint = *address_in(ip::Family::v4, self.tunnel_addresses),
            .peer_endpoint = address_in(ip::Family::v4, peer.tunnel_addresses),
            .ways = ways_to(peer, remote)};
}

Tunnel shared_tunnel(const Node& self, const Peers& peers, const Settings& settings,
                     std::uint32_t mtu) {
    Tunnel tunnel{.device = {.name = device_name(std::nullopt),
                             .alias = device_alias(settings.network, "*"),
                             .local = underlay_address(self),
                             .remote = {},
                             .ttl = settings.ttl,
                             .mtu = mtu},
                  .endpoint = *address_in(ip::Family::v4, self.tunnel_addresses),
                  .peer_endpoint = {},
                  .ways = {}};
    for (const Node* peer : peers) {
        const std::vector<Tunnel::Way> ways = ways_to(*peer, underlay_address(*peer));
        tunnel.ways.insert(tunnel.ways.end(), ways.begin(), ways.end());
    }
    return tunnel;
}

/// The rules know of peers' own addresses and of IPv6, which rp_filter does not. Loose and not
/// unchecked, as that overrules a strict one for all devices.
int rp_filter_for(const Settings& settings) {
    if (!settings.check_source)
        return unchecked;
    return netlink::looks_for_way_back() ? loose : strict;
}

Wanted want(const Node& self, const Peers& peers, const Settings& settings,
            const Underlay& underlay, std::uint32_t own_mtu) {
    Wanted wanted{.network = settings.network,
                  .tunnels = {},
                  .endpoint = address_in(ip::Family::v4, self.tunnel_addresses),
                  .own_pod_cidrs = self.pod_cidrs,
                  .rp_filter = rp_filter_for(settings)};
    std::vector<std::uint32_t> mtus;
    mtus.reserve(peers.size());
    for (std::size_t i = 0; i < peers.size(); ++i)
        mtus.push_back(inner_mtu(settings, underlay.mtus[i].value_or(own_mtu)));
    if (settings.topology == Topology::shared && !peers.empty())
        wanted.tunnels.push_back(
            shared_tunnel(self, peers, settings, *std::ranges::min_element(mtus)));
    if (settings.topology == Topology::pairs) {
        wanted.tunnels.reserve(peers.size());
        for (std::size_t i = 0; i < peers.size(); ++i)
            wanted.tunnels.push_back(pair_tunnel(self, *peers[i], settings, mtus[i]));
    }
    return wanted;
}

std::uint32_t least_mtu(const Wanted& wanted, const Settings& settings, std::uint32_t own_mtu) {
    std::uint32_t least = settings.mtu != 0 ? settings.mtu : own_mtu - ipip_overhead;
    for (const Tunnel& tunnel : wanted.tunnels)
        least = std::min(least, tunnel.device.mtu);
    return least;
}

/// What the kernel has and what is wanted of it.
struct Survey {
    Observed observed;
    std::size_t self;
    Wanted wanted;
    std::uint32_t pod_mtu;
    /// Pods' packets to and from outside the mesh pass these devices as well.
    std::vector<std::string> without_forwarding;
    netlink::Rules rules;
};

std::vector<std::string> without_forwarding(const std::set<std::string>& devices) {
    std::vector<std::string> off;
    for (const std::string& device : devices)
        if (device != "lo" && netlink::forwarding(device) == false)
            off.push_back(device);
    return off;
}

netlink::Masquerade masquerade_for(const std::vector<Node>& nodes, const Node& self) {
    netlink::Masquerade rules{.sources = self.pod_cidrs, .spared = {}};
    for (const Node& node : nodes)
        rules.spared.insert(rules.spared.end(), node.pod_cidrs.begin(), node.pod_cidrs.end());
    return rules;
}

/// What pods and peers may not send in; with one device for all of them, strangers neither.
netlink::SourceCheck source_check_for(const std::vector<Node>& nodes, const Node& self,
                                      const Settings& settings) {
    netlink::SourceCheck check{.pod_group = netlink::pod_group,
                               .tunnels = device_prefix,
                               .senders = {},
                               .peers = {},
                               .own_pods = self.pod_cidrs};
    const bool shared = settings.topology == Topology::shared;
    if (shared)
        check.senders.emplace(
            netlink::SourceCheck::Senders{.own = underlay_address(self), .peers = {}});
    check.peers.reserve(nodes.size());
    for (const Node& node : nodes) {
        if (&node == &self)
            continue;
        const ip::Address address = underlay_address(node);
        check.peers.push_back({shared ? device_name({}) : device_name(address), address});
        if (shared)
            check.senders->peers.push_back(ip::Cidr::host(address));
    }
    return check;
}

/// Whether there is nothing to do about them: a kernel without nftables does without the source
/// check, not without what was asked for.
bool are_out_of_reach(const netlink::Rules& rules) {
    return rules.source_check && !rules.masquerade && !netlink::has_nftables();
}

bool make_stand(const netlink::Rules& rules) {
    if (rules.empty())
        return netlink::remove_rules();
    return !are_out_of_reach(rules) && netlink::set_rules(rules);
}

/// While devices take over from others, a packet may come by the one and be answered by the other.
void loosen(netlink::Rules rules) {
    if (!rules.source_check)
        return;
    rules.source_check->tunnels.clear();
    rules.source_check->peers.clear();
    make_stand(rules);
}

Survey survey(netlink::Socket& route, const std::vector<Node>& nodes,
              const std::optional<std::string>& node_name, const Settings& settings) {
    Survey result{.observed = observe(route),
                  .self = 0,
                  .wanted = {},
                  .pod_mtu = 0,
                  .without_forwarding = {},
                  .rules = {}};
    result.self = find_self(nodes, node_name, locals(result.observed));
    const Node& self = nodes[result.self];
    const netlink::Link own = own_device(route, self, result.observed);
    const Peers peers = peers_of(self, nodes);
    Underlay underlay = underlay_towards(peers, route, settings);
    underlay.devices.insert(own.name);

    result.wanted = want(self, peers, settings, underlay, own.mtu);
    result.pod_mtu = least_mtu(result.wanted, settings, own.mtu);
    result.without_forwarding = without_forwarding(underlay.devices);
    if (settings.masquerade)
        result.rules.masquerade = masquerade_for(nodes, self);
    if (settings.check_source)
        result.rules.source_check = source_check_for(nodes, self, settings);
    return result;
}

} // namespace

Reconciled reconcile(netlink::Socket& route, const std::vector<Node>& nodes,
                     const std::optional<std::string>& node_name, const Settings& settings,
                     const ForwardingNote& note_forwarding) {
    Survey found = survey(route, nodes, node_name, settings);
    const Changes changes = plan(found.wanted, found.observed);
    if (!changes.loosen.empty())
        loosen(found.rules);
    apply(route, changes, found.observed);
    Reconciled result{.self = found.self,
                      .pod_mtu = found.pod_mtu,
                      .forwarding_turned_on = std::move(found.without_forwarding),
                      .changes = describe(changes)};
    if (note_forwarding && !result.forwarding_turned_on.empty())
        note_forwarding(result.forwarding_turned_on);
    for (const std::string& device : result.forwarding_turned_on) {
        netlink::set_forwarding(device, true);
        result.changes.push_back("turned on forwarding on " + device);
    }
    if (make_stand(found.rules)) {
        result.changes.push_back(found.rules.empty() ? rules_removed : "set the nftables rules");
        if (settings.check_source && !netlink::looks_for_way_back())
            result.changes.emplace_back("left out those rules that look for the way back, as this "
                                        "kernel cannot (CONFIG_NFT_FIB_INET)");
        if (settings.check_source && found.wanted.rp_filter != rp_filter_for(settings)) {
            // Only as they were set did it show that they cannot look for the way back.
            const Survey again = survey(route, nodes, node_name, settings);
            apply(route, plan(again.wanted, again.observed), again.observed);
        }
    } else if (!result.changes.empty() && are_out_of_reach(found.rules))
        result.changes.emplace_back("left out the nftables rules of sourceCheck, as this kernel "
                                    "has no nftables (CONFIG_NF_TABLES_INET)");
    return result;
}

Inspection inspect(netlink::Socket& route, const std::vector<Node>& nodes,
                   const std::optional<std::string>& node_name, const Settings& settings) {
    const Survey found = survey(route, nodes, node_name, settings);
    Inspection result{.self = found.self,
                      .pod_mtu = found.pod_mtu,
                      .wrongs = describe_wrongs(plan(found.wanted, found.observed))};
    for (const std::string& device : found.without_forwarding)
        result.wrongs.push_back("forwarding on " + device + " is off");
    if (!found.rules.empty() && !are_out_of_reach(found.rules) && !netlink::has_rules(found.rules))
        result.wrongs.emplace_back("the table of nftables rules is missing or wrong");
    return result;
}

std::vector<std::string> dismantle(netlink::Socket& route, const std::string& network,
                                   const std::vector<std::string>& forwarding_turned_on) {
    const Observed observed = observe(route);
    const Changes changes =
        plan({.network = network, .tunnels = {}, .endpoint = {}, .own_pod_cidrs = {}}, observed);
    apply(route, changes, observed);
    std::vector<std::string> lines = describe(changes);
    for (const std::string& device : forwarding_turned_on) {
        if (netlink::forwarding(device) != true)
            continue;
        netlink::set_forwarding(device, false);
        lines.push_back("turned off forwarding on " + device);
    }
    if (netlink::remove_rules())
        lines.emplace_back(rules_removed);
    return lines;
}

} // namespace mesh
