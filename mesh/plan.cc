#include "mesh/plan.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <memory_resource>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

namespace mesh {

namespace {

// A route of ours that only catches what no other leads away, and never hides one of anybody's.
constexpr std::uint32_t last_resort_metric = 4096;

constexpr std::string_view prefix = device_prefix;
constexpr std::size_t name_length = prefix.size() + 8;

/// Whether a device of the kind ipip has a name that only this project gives.
bool has_our_name(const netlink::Link& link) {
    return link.name.size() == name_length && link.name.starts_with(prefix) &&
           std::all_of(link.name.begin() + prefix.size(), link.name.end(), [](char digit) {
               return (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f');
           });
}

/// Whether an address on a device of ours is one that we give such a device.
bool is_endpoint(const netlink::InterfaceAddress& address, const netlink::Link& device) {
    return device.remote ? address.peer.has_value() : address.prefix == address.local.bits();
}

/// For each new route the kernel looks for its twin among all that have the same device, source,
/// protocol, metric and scope (fib_find_info). With one device for thousands of peers those would
/// be all of ours, and the time to make them would grow with the square of their number: in
/// an emulated machine 3.5 s for 5,000, spread over the scopes 1 s.
std::uint8_t spread_scope(const ip::Cidr& destination) {
    constexpr unsigned scopes = 199; // what is left to users, see rt_scope_t in linux/rtnetlink.h
    unsigned sum = 0;
    for (const std::uint8_t byte : destination.network().bytes())
        sum = sum * 31 + byte;
    return static_cast<std::uint8_t>(sum % scopes + 1);
}

std::string_view network_of(const netlink::Link& link) {
    return std::string_view(link.alias).substr(0, link.alias.find('/'));
}

/// What people have written there to describe the device does not.
bool names_network(const netlink::Link& link) {
    return link.alias.find('/') != std::string::npos;
}

bool is_as_made(const netlink::Link& link, const netlink::TunnelDevice& device) {
    return link.name == device.name && link.alias == device.alias && link.local == device.local &&
           link.remote == device.remote && link.ttl == device.ttl && link.mtu == device.mtu &&
           link.up && link.path_mtu_discovery;
}

bool is_as_made(const netlink::InterfaceAddress& present, const netlink::InterfaceAddress& wanted) {
    const auto identity = [](const netlink::InterfaceAddress& address) {
        return std::tie(address.link, address.local, address.peer, address.prefix,
                        address.link_scope);
    };
    // On a device of ours it is ours, whatever label someone gave it.
    return identity(present) == identity(wanted) &&
           (wanted.link != loopback_index || present.label == wanted.label);
}

/// By which the kernel tells routes of one table apart.
struct RouteKey {
    ip::Cidr destination;
    std::uint32_t metric;

    bool operator==(const RouteKey&) const = default;
};

struct RouteKeyHash {
    std::size_t operator()(const RouteKey& key) const {
        const auto bytes = key.destination.network().bytes();
        return std::hash<std::string_view>()(
                   {reinterpret_cast<const char*>(bytes.data()), bytes.size()}) ^
               (key.destination.length() + (std::size_t{key.metric} << 8));
    }
};

/// Hash tables, but for what is rare, and marks in place of sets: in trees the names of a thousand
/// peers were compared so often that it made a quarter of this program's part in finding that there
/// is nothing to do. Their memory is of one piece: to get and give back each entry's was a tenth.
class Planner {
  public:
    Planner(const Wanted& wanted, const Observed& observed)
        : wanted_(wanted), observed_(observed), keeps_address_(observed.addresses.size()),
          keeps_route_(observed.routes.size()) {
        ours_.reserve(observed.tunnels.size());
        ours_by_name_.reserve(observed.tunnels.size());
        addresses_.reserve(observed.addresses.size());
        routes_.reserve(observed.routes.size());
        std::unordered_set<int> going; // what they bear goes with them
        for (const netlink::Link& link : observed.tunnels) {
            const bool named_as_ours = has_our_name(link);
            if (named_as_ours && link.name != device_name(link.remote)) {
                refuse_other_network(link);
                changes_.delete_first.push_back(link.name);
                going.insert(link.index);
            } else if (named_as_ours) {
                ours_.push_back(&link);
                ours_by_name_.emplace(link.name, &link);
            } else {
                foreign_.emplace(std::pair(*link.local, link.remote), link.name);
            }
        }
        for (const netlink::InterfaceAddress& address : observed.addresses)
            if (!going.contains(address.link))
                addresses_.emplace(address.link, &address);
        for (const netlink::Route& route : observed.routes)
            if (!going.contains(route.link))
                routes_.emplace(RouteKey{route.destination, route.metric}, &route);
    }

    Changes plan() && {
        refuse_conflicts();
        staying_.reserve(wanted_.tunnels.size());
        std::vector<const netlink::Link*> links;
        links.reserve(wanted_.tunnels.size());
        for (const Tunnel& tunnel : wanted_.tunnels) {
            links.push_back(find_ours(tunnel.device.name));
            if (links.back() != nullptr)
                staying_.emplace(links.back()->index, links.back());
        }
        regroups_ = changes_topology();
        plan_endpoint();
        for (std::size_t i = 0; i < links.size(); ++i)
            plan_tunnel(wanted_.tunnels[i], links[i]);
        plan_unreachable();
        prune();
        return std::move(changes_);
    }

  private:
    void refuse_other_network(const netlink::Link& link) const {
        if (names_network(link) && network_of(link) != wanted_.network)
            throw Conflict("the tunnel " + link.name + " belongs to the network \"" +
                           std::string(network_of(link)) +
                           "\", and a host has one mesh; use that network's "
                           "name here, or remove it first");
    }

    /// Null where there is none.
    const netlink::Link* find_ours(const std::string& name) const {
        const auto found = ours_by_name_.find(name);
        return found == ours_by_name_.end() ? nullptr : found->second;
    }

    /// A sentence, where others have a tunnel with these ends.
    std::optional<std::string> find_foreign(const ip::Address& local,
                                            const std::optional<ip::Address>& remote,
                                            std::string_view trouble) const {
        const auto found = foreign_.find({local, remote});
        if (found == foreign_.end())
            return {};
        return "the device " + found->second + " is a tunnel from " + local.to_string() + " to " +
               (remote ? remote->to_string() : "all") + " already, " + std::string(trouble) +
               "; remove it (ip link delete " + found->second + ')';
    }

    void refuse_conflicts() const {
        for (const netlink::Link* link : ours_)
            refuse_other_network(*link);
        std::vector<Conflict::InTheWay> obstacles;
        for (const Tunnel& tunnel : wanted_.tunnels) {
            const auto& [local, remote] = std::tie(tunnel.device.local, tunnel.device.remote);
            const auto same = find_foreign(local, remote, "and the kernel allows one");
            if (same && !remote)
                throw Conflict(*same);
            if (same)
                obstacles.push_back({.remote = *remote, .what = *same, .pod_cidr = {}});
            if (!remote)
                note_thieves(tunnel, obstacles);
        }
        if (!obstacles.empty())
            throw Conflict(std::move(obstacles));
    }

    /// What a peer sends comes out of a device to that peer, if there is one, and not out of the
    /// device to all (ip_tunnel_lookup in the kernel).
    void note_thieves(const Tunnel& to_all, std::vector<Conflict::InTheWay>& obstacles) const {
        std::set<ip::Address> peers;
        for (const Tunnel::Way& way : to_all.ways)
            peers.insert(way.remote);
        for (const ip::Address& peer : peers)
            for (const ip::Address& local : {to_all.device.local, ip::Address()})
                if (const auto thief =
                        find_foreign(local, peer, "and takes what that peer sends")) {
                    obstacles.push_back({.remote = peer, .what = *thief, .pod_cidr = {}});
                    break;
                }
    }

    /// Whether one device to all takes over from those to one peer each, or the other way round.
    bool changes_topology() const {
        return std::ranges::any_of(ours_, [&](const netlink::Link* link) {
            return !staying_.contains(link->index) && !wanted_.tunnels.empty() &&
                   link->remote.has_value() != wanted_.tunnels.front().device.remote.has_value();
        });
    }

    /// The endpoint stands on the loopback device too: it must outlive every tunnel, as the kernel
    /// drops the routes to all pods with the last device that bears their source address.
    void plan_endpoint() {
        if (!wanted_.endpoint)
            return;
        const netlink::InterfaceAddress address{.link = loopback_index,
                                                .local = *wanted_.endpoint,
                                                .peer = {},
                                                .prefix = wanted_.endpoint->bits(),
                                                .label = endpoint_label,
                                                .link_scope = true};
        want_address("lo", address);
    }

    /// `link` is null where it is not there yet.
    void plan_tunnel(const Tunnel& tunnel, const netlink::Link* link) {
        const netlink::TunnelDevice& device = tunnel.device;
        if (link == nullptr)
            changes_.make.push_back(device);
        else if (!is_as_made(*link, device))
            changes_.change.push_back(device);
        const bool takes_over = regroups_ && device.remote;
        const int rp_filter = takes_over ? loose : wanted_.rp_filter;
        if (takes_over)
            changes_.bring_up.push_back({device.name, {.up = true}});
        if (rp_filter != wanted_.rp_filter)
            changes_.tighten.push_back({device.name, {.rp_filter = wanted_.rp_filter}});
        if (link == nullptr || !link->forwarding || link->rp_filter != rp_filter)
            changes_.configure.push_back({device.name,
                                          {.alias = device.alias,
                                           .forwarding = true,
                                           .rp_filter = rp_filter,
                                           .keep_secondaries = true, // as the endpoint changes
                                           .up = !takes_over}});
        const int index = link == nullptr ? 0 : link->index;
        want_address(device.name, {.link = index,
                                   .local = tunnel.endpoint,
                                   .peer = tunnel.peer_endpoint,
                                   .prefix = tunnel.endpoint.bits(),
                                   .label = device.name});
        for (const auto& [destination, remote] : tunnel.ways)
            want_route(device.name,
                       {.destination = destination,
                        .link = index,
                        .gateway = device.remote ? std::nullopt : std::optional(remote),
                        .source = tunnel.endpoint,
                        .protocol = netlink::own_protocol,
                        .scope = device.remote ? std::uint8_t{} : spread_scope(destination)},
                       remote);
    }

    /// What is addressed to a pod of this node that does not exist ends here, instead of
    /// following the default route out into the world.
    void plan_unreachable() {
        for (const ip::Cidr& cidr : wanted_.own_pod_cidrs)
            want_route({}, {.destination = cidr,
                            .metric = last_resort_metric,
                            .protocol = netlink::own_protocol,
                            .unreachable = true});
    }

    void want_address(const std::string& device, const netlink::InterfaceAddress& address) {
        const auto [begin, end] = addresses_.equal_range(address.link);
        const auto found = std::find_if(
            begin, end, [&](const auto& entry) { return is_as_made(*entry.second, address); });
        if (found == end)
            changes_.add_addresses.push_back({device, address});
        else
            keeps_address_[number_in(observed_.addresses, found->second)] = true;
    }

    void want_route(const std::string& device, const netlink::Route& route,
                    const std::optional<ip::Address>& remote = {}) {
        const auto found = routes_.find({route.destination, route.metric});
        if (found == routes_.end()) {
            changes_.add_routes.push_back({device, route, netlink::IfExists::fail, remote});
            return;
        }
        keeps_route_[number_in(observed_.routes, found->second)] = true;
        if (*found->second != route)
            changes_.add_routes.push_back({device, route, netlink::IfExists::replace, remote});
    }

    void remove(const netlink::Link& device) {
        if (regroups_) {
            changes_.loosen.push_back({device.name, {.rp_filter = loose}});
            const auto [begin, end] = addresses_.equal_range(device.index);
            for (auto entry = begin; entry != end; ++entry)
                if (const auto& peer = entry->second->peer)
                    changes_.delete_endpoint_routes.push_back(
                        {.destination = ip::Cidr::host(*peer),
                         .link = device.index,
                         .protocol = netlink::kernel_protocol});
        }
        changes_.delete_devices.push_back(device.name); // its addresses and routes go with it
    }

    void prune() {
        for (const netlink::Link* link : ours_)
            if (!staying_.contains(link->index))
                remove(*link);
        for (const netlink::Route& route : observed_.routes)
            if (!keeps_route_[number_in(observed_.routes, &route)] &&
                (route.unreachable || staying_.contains(route.link)))
                changes_.delete_routes.push_back(route);
        for (const netlink::InterfaceAddress& address : observed_.addresses)
            if (!keeps_address_[number_in(observed_.addresses, &address)] && is_ours(address))
                changes_.delete_addresses.push_back(address);
    }

    bool is_ours(const netlink::InterfaceAddress& address) const {
        if (address.label == endpoint_label)
            return true;
        const auto device = staying_.find(address.link);
        return device != staying_.end() && is_endpoint(address, *device->second);
    }

    template <typename T>
    static std::size_t number_in(const std::vector<T>& all, const T* one) {
        return static_cast<std::size_t>(one - all.data());
    }

    const Wanted& wanted_;
    const Observed& observed_;
    std::vector<const netlink::Link*> ours_;
    std::pmr::monotonic_buffer_resource memory_; ///< of the tables
    std::pmr::unordered_map<std::string_view, const netlink::Link*> ours_by_name_{&memory_};
    /// Those that are wanted, by index.
    std::pmr::unordered_map<int, const netlink::Link*> staying_{&memory_};
    std::map<std::pair<ip::Address, std::optional<ip::Address>>, std::string> foreign_;
    /// By device.
    std::pmr::unordered_multimap<int, const netlink::InterfaceAddress*> addresses_{&memory_};
    std::pmr::unordered_map<RouteKey, const netlink::Route*, RouteKeyHash> routes_{&memory_};
    bool regroups_ = false; ///< routes move between devices that both see packets meanwhile
    std::vector<bool> keeps_address_; ///< as in observed_
    std::vector<bool> keeps_route_;
    Changes changes_;
};

} // namespace

bool Changes::empty() const {
    return delete_first.empty() && make.empty() && change.empty() && configure.empty() &&
           add_addresses.empty() && add_routes.empty() && delete_routes.empty() &&
           delete_addresses.empty() && delete_devices.empty();
}

std::string device_name(const std::optional<ip::Address>& remote) {
    const ip::Address shown = remote.value_or(ip::Address());
    std::array<char, prefix.size() + 32> text{};
    auto end = std::ranges::copy(prefix, text.begin()).out;
    for (const std::uint8_t byte : shown.bytes()) {
        *end++ = "0123456789abcdef"[byte >> 4];
        *end++ = "0123456789abcdef"[byte & 15];
    }
    return {text.begin(), end};
}

std::string device_alias(const std::string& network, const std::string& peer) {
    return network + '/' + peer;
}

Changes plan(const Wanted& wanted, const Observed& observed) {
    return Planner(wanted, observed).plan();
}

Observed select_ours(const Observed& observed) {
    Observed ours;
    std::set<int> going;
    for (const netlink::Link& link : observed.tunnels) {
        // In the making, or described by somebody.
        const bool bears_its_name = link.name == device_name(link.remote);
        if (has_our_name(link) && (names_network(link) || bears_its_name)) {
            ours.tunnels.push_back(link);
            going.insert(link.index);
        }
    }
    std::ranges::copy_if(observed.addresses, std::back_inserter(ours.addresses),
                         [&](const netlink::InterfaceAddress& address) {
                             return address.label == endpoint_label &&
                                    !going.contains(address.link);
                         });
    std::ranges::copy_if(observed.routes, std::back_inserter(ours.routes),
                         [&](const netlink::Route& route) { return !going.contains(route.link); });
    return ours;
}

} // namespace mesh
