#include "mesh/standing.h"

#include "hash/hash.h"
#include "mesh/conflict.h"
#include "mesh/lock.h"
#include "mesh/stamp.h"
#include "netlink/nftables.h"
#include "netlink/route.h"

#include <algorithm>

namespace mesh {

namespace {

// How many of the peers' pod CIDRs are looked at: by one who is in a hurry, and by one who asks.
constexpr std::size_t quick_look = 8;
constexpr std::size_t long_look = 24;

/// Changes with anything that the mesh is made from, and with what its rules say. `version` is that
/// of the nodes.
std::string fingerprint(const Request& request, const std::string& version) {
    Hash hash;
    const Settings& settings = request.settings;
    hash.add(settings.network)
        .add(std::to_string(netlink::rules_version))
        .add(std::to_string(settings.mtu))
        .add(std::to_string(settings.ttl))
        .add(settings.masquerade ? "masquerade" : "")
        .add(settings.check_source ? "check" : "")
        .add(settings.topology == Topology::shared ? "shared" : "")
        .add(version);
    if (!version.empty())
        return hash.hex(16);
    const auto add = [&](const auto& list) {
        for (const auto& item : list)
            hash.add(item.to_string());
        hash.add("");
    };
    const auto& [nodes, self] = request.cluster.listing();
    hash.add(self.value_or(""));
    for (const Node& node : nodes) {
        hash.add(node.name);
        add(node.addresses);
        add(node.pod_cidrs);
        add(node.tunnel_addresses);
    }
    return hash.hex(16);
}

/// The pod CIDRs to which a route of ours leads.
std::vector<ip::Cidr> ways_from(const Node& self, const std::vector<Node>& nodes) {
    std::vector<ip::Cidr> ways;
    for (const Node& node : nodes)
        if (node.name != self.name)
            ways.insert(ways.end(), node.pod_cidrs.begin(), node.pod_cidrs.end());
    return ways;
}

/// Of what the last reconciliation left, the first that the kernel has lost: one of this host's
/// own addresses, or a route to one of the peers' pod CIDRs `ways`; none where it has it all.
std::optional<ip::Cidr> find_loss(netlink::Socket& route, const Node& self,
                                  const std::vector<ip::Cidr>& ways) {
    const ip::Address endpoint = *address_in(ip::Family::v4, self.tunnel_addresses);
    const std::vector<ip::Address> own{endpoint, *address_in(ip::Family::v4, self.addresses)};
    std::vector<netlink::Request> requests;
    requests.reserve(own.size() + ways.size());
    for (const ip::Address& address : own)
        requests.push_back(netlink::get_route(address));
    for (const ip::Cidr& way : ways)
        requests.push_back(netlink::get_route(way.network()));
    const auto answers = route.exchange(requests);
    for (std::size_t i = 0; i < own.size(); ++i)
        if (answers[i].error || !netlink::to_route(answers[i].reply).local)
            return ip::Cidr::host(own[i]);
    for (std::size_t i = 0; i < ways.size(); ++i) {
        const auto& [error, reply] = answers[i + own.size()];
        const netlink::Route found = error ? netlink::Route{} : netlink::to_route(reply).route;
        if (found.destination != ways[i] || found.source != endpoint ||
            found.protocol != netlink::own_protocol)
            return ways[i];
    }
    return std::nullopt;
}

std::string describe_loss(const ip::Cidr& loss, const std::vector<Node>& nodes) {
    for (const Node& node : nodes)
        if (std::ranges::find(node.pod_cidrs, loss) != node.pod_cidrs.end())
            return "the tunnel to " + node.name + " or the route " + loss.to_string() +
                   " into it is missing or down";
    return "the address " + loss.network().to_string() + " is not on this host";
}

void merge_into(std::vector<std::string>& devices, const std::vector<std::string>& more) {
    for (const std::string& device : more)
        if (std::ranges::find(devices, device) == devices.end())
            devices.push_back(device);
}

void refuse_other_network(const Stamp& stamp, const std::string& network) {
    if (stamp.network != network)
        throw Conflict("this host's mesh belongs to the network \"" + stamp.network +
                       "\", and a host has one; use that network's name, or delete its pods first");
}

} // namespace

/// Lets those in who find the mesh standing, and one at a time of those who must change it.
class Gate {
  public:
    Gate(netlink::Socket& route, const Request& request)
        : route_(route), request_(request),
          fingerprint_(fingerprint(request, request.cluster.version())) {}

    Standing enter() {
        std::vector<std::string> changes;
        // Whoever reconciled alone lets the others in again, and one of them may get in between
        // that wants another mesh, or none. So that nobody loses that race for ever, the last
        // attempt stays alone, which only makes others wait.
        constexpr int attempts = 5;
        for (int i = 1; i <= attempts; ++i) {
            if (auto standing = admit(lock(request_.state_dir, Use::together), changes))
                return *std::move(standing);
            netlink::Fd alone = lock(request_.state_dir, Use::alone);
            if (!find_standing()) {
                if (request_.is_current && !request_.is_current())
                    throw Outdated();
                changes = std::move(change().changes);
            }
            if (i == attempts)
                if (auto standing = admit(std::move(alone), changes))
                    return *std::move(standing);
        }
        throw Conflict("the mesh was made and yet does not stand: other routes of this host lead "
                       "to pods of other nodes, or something removes ours; find them with ip route "
                       "get and ip monitor");
    }

    Reconciled enforce(const std::function<std::string()>& publish) {
        const netlink::Fd alone = lock(request_.state_dir, Use::alone);
        return change(publish);
    }

  private:
    /// The stamp of the mesh that is wanted, if the kernel has what it tells of.
    std::optional<Stamp> find_standing() const {
        auto stamp = read_stamp(request_.state_dir);
        if (!stamp || stamp->fingerprint != fingerprint_ || stamp->doubted)
            return std::nullopt;
        const auto ways = read_ways(request_.state_dir, request_.seed, quick_look);
        if (!ways || find_loss(route_, stamp->self, *ways))
            return std::nullopt;
        return stamp;
    }

    std::optional<Standing> admit(netlink::Fd held, std::vector<std::string>& changes) const {
        const auto stamp = find_standing();
        if (!stamp)
            return std::nullopt;
        Standing standing;
        standing.lock_ = std::move(held);
        standing.self_ = stamp->self;
        standing.pod_mtu_ = stamp->pod_mtu;
        standing.changes_ = std::move(changes);
        return standing;
    }

    Reconciled change(const std::function<std::string()>& publish = {}) const {
        Stamp stamp{.network = request_.settings.network,
                    .fingerprint = {},
                    .host = host_identity(),
                    .self = {},
                    .forwarding_turned_on = {}};
        const auto before = read_stamp(request_.state_dir);
        if (before && before->host == stamp.host) {
            refuse_other_network(*before, stamp.network);
            stamp.forwarding_turned_on = before->forwarding_turned_on;
        }
        // Should this fail half-way, the next caller must not take the old stamp's word, but must
        // know what there is to put back. Where there is none the mesh may be another network's,
        // and it is not to be claimed before that is known.
        if (before)
            write_stamp(request_.state_dir, stamp);
        const auto note_forwarding = [&](const std::vector<std::string>& devices) {
            merge_into(stamp.forwarding_turned_on, devices);
            write_stamp(request_.state_dir, stamp);
        };
        const auto& [nodes, self] = request_.cluster.listing();
        Reconciled result = reconcile(route_, nodes, self, request_.settings, note_forwarding);
        stamp.fingerprint = publish ? fingerprint(request_, publish()) : fingerprint_;
        stamp.self = nodes[result.self];
        write_ways(request_.state_dir, ways_from(stamp.self, nodes));
        stamp.pod_mtu = result.pod_mtu;
        write_stamp(request_.state_dir, stamp);
        return result;
    }

    netlink::Socket& route_;
    const Request& request_;
    std::string fingerprint_;
};

Standing stand(netlink::Socket& route, const Request& request) {
    return Gate(route, request).enter();
}

Reconciled enforce(netlink::Socket& route, const Request& request,
                   const std::function<std::string()>& publish) {
    return Gate(route, request).enforce(publish);
}

Outlook look(netlink::Socket& route, const Request& request) {
    const auto stamp = read_stamp(request.state_dir);
    if (stamp && stamp->host == host_identity()) {
        refuse_other_network(*stamp, request.settings.network);
        const auto ways = read_ways(request.state_dir, request.seed, long_look);
        if (ways && stamp->fingerprint == fingerprint(request, request.cluster.version())) {
            const auto loss = find_loss(route, stamp->self, *ways);
            if (!loss)
                return {.self = stamp->self, .stands = true, .broken = std::nullopt};
            // Unless another mesh is being made at this moment.
            if (const auto now = read_stamp(request.state_dir);
                now && now->fingerprint == stamp->fingerprint)
                return {.self = stamp->self,
                        .stands = false,
                        .broken = describe_loss(*loss, request.cluster.listing().nodes)};
        }
    }
    const auto& [nodes, self] = request.cluster.listing();
    const Inspection found = inspect(route, nodes, self, request.settings);
    return {.self = nodes[found.self], .stands = false, .broken = std::nullopt};
}

void doubt(const std::string& network, const std::filesystem::path& state_dir) {
    const netlink::Fd alone = lock(state_dir, Use::alone);
    auto stamp = read_stamp(state_dir);
    if (!stamp || stamp->network != network || stamp->doubted)
        return;
    stamp->doubted = true;
    write_stamp(state_dir, *stamp);
}

std::vector<std::string> retire(netlink::Socket& route, const std::string& network,
                                const std::filesystem::path& state_dir,
                                const std::function<bool()>& unused) {
    const auto dismantle_ours = [&](const std::vector<std::string>& forwarding_turned_on) {
        try {
            return dismantle(route, network, forwarding_turned_on);
        } catch (const Conflict&) { // the devices say that it is another network's
            return std::vector<std::string>();
        }
    };
    // Where it is gone nobody holds its lock, and it must not come back.
    if (!std::filesystem::exists(state_dir))
        return unused() ? dismantle_ours({}) : std::vector<std::string>();
    const netlink::Fd alone = lock(state_dir, Use::alone);
    if (!unused())
        return {};
    const auto stamp = read_stamp(state_dir);
    if (stamp && stamp->network != network)
        return {}; // another network's mesh has taken the place of this one's
    const bool ours = stamp && stamp->host == host_identity();
    // Should this fail half-way, the next ADD must not take the stamp's word for what is left.
    remove_ways(state_dir);
    auto lines = dismantle_ours(ours ? stamp->forwarding_turned_on : std::vector<std::string>());
    remove_stamp(state_dir);
    return lines;
}

} // namespace mesh
