#include "mesh/standing.h"

#include "hash/hash.h"
#include "mesh/plan.h"
#include "mesh/stamp.h"
#include "netlink/route.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

namespace mesh {

namespace {

constexpr std::size_t peers_looked_at = 8;

enum class Mode { shared = LOCK_SH, exclusive = LOCK_EX };

[[noreturn]] void fail_to_lock(int code, const std::filesystem::path& path) {
    throw std::system_error(code, std::generic_category(),
                            "cannot lock " + path.string() + " (stateDir)");
}

void lock(const netlink::Fd& file, const std::filesystem::path& path, Mode mode) {
    while (::flock(file.get(), static_cast<int>(mode)) != 0)
        if (errno != EINTR)
            fail_to_lock(errno, path);
}

/// The lock of the host's mesh: shared by those that use it, exclusive to one that changes it.
netlink::Fd lock(const std::filesystem::path& state_dir, Mode mode) {
    const auto path = state_dir / lock_name;
    const auto open = [&] {
        return netlink::Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    };
    netlink::Fd file = open();
    if (!file && errno == ENOENT) {
        std::filesystem::create_directories(state_dir);
        std::filesystem::permissions(state_dir, std::filesystem::perms::owner_all);
        file = open();
    }
    if (!file)
        fail_to_lock(errno, path);
    lock(file, path, mode);
    struct stat status {};
    if (::fstat(file.get(), &status) == 0 && status.st_nlink == 0)
        throw std::system_error(ESTALE, std::generic_category(),
                                "ipip-cni was uninstalled from this host while this waited for " +
                                    path.string() + "; install it again");
    return file;
}

/// Changes with anything that the mesh is made from.
std::string fingerprint(const Request& request) {
    Hash hash;
    const Settings& settings = request.settings;
    hash.add(settings.network)
        .add(std::to_string(settings.mtu))
        .add(std::to_string(settings.ttl))
        .add(settings.masquerade ? "masquerade" : "")
        .add(settings.check_source ? "check" : "")
        .add(request.node_name.value_or(""));
    const auto add = [&](const auto& list) {
        for (const auto& item : list)
            hash.add(item.to_string());
        hash.add("");
    };
    for (const Node& node : request.nodes) {
        hash.add(node.name);
        add(node.addresses);
        add(node.pod_cidrs);
        add(node.tunnel_addresses);
    }
    return hash.hex(16);
}

const Node* find_node(const std::vector<Node>& nodes, const std::string& name) {
    const auto found = std::ranges::find(nodes, name, &Node::name);
    return found == nodes.end() ? nullptr : &*found;
}

/// What the kernel has lost of what the last reconciliation left, by the routes to at most
/// `peers` of the peers; none where it has it all.
std::optional<std::string> find_loss(netlink::Socket& route, const Request& request,
                                     const Node& self, std::size_t peers) {
    const auto& nodes = request.nodes;
    const ip::Address endpoint = *address_in(ip::Family::v4, self.tunnel_addresses);
    const std::vector<ip::Address> own{endpoint, *address_in(ip::Family::v4, self.addresses)};
    std::vector<netlink::Request> requests;
    requests.reserve(own.size() + std::min(peers, nodes.size()));
    for (const ip::Address& address : own)
        requests.push_back(netlink::get_route(address));
    struct Way {
        const Node& peer;
        const ip::Cidr& cidr;
    };
    std::vector<Way> ways;
    std::size_t looked_at = 0;
    for (std::size_t i = 0; i < nodes.size() && looked_at < peers; ++i) {
        const Node& peer = nodes[(request.seed + i) % nodes.size()];
        if (&peer == &self)
            continue;
        ++looked_at;
        for (const ip::Cidr& cidr : peer.pod_cidrs) {
            ways.push_back({peer, cidr});
            requests.push_back(netlink::get_route(cidr.network()));
        }
    }
    const auto answers = route.exchange(requests);
    for (std::size_t i = 0; i < own.size(); ++i)
        if (answers[i].error || !netlink::to_route(answers[i].reply).local)
            return "the address " + own[i].to_string() + " is not on this host";
    for (std::size_t i = 0; i < ways.size(); ++i) {
        const auto& [error, reply] = answers[i + own.size()];
        const netlink::Route found = error ? netlink::Route{} : netlink::to_route(reply).route;
        if (found.destination != ways[i].cidr || found.source != endpoint ||
            found.protocol != netlink::own_protocol)
            return "the tunnel to " + ways[i].peer.name + " or the route " +
                   ways[i].cidr.to_string() + " into it is missing or down";
    }
    return std::nullopt;
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
        : route_(route), request_(request), fingerprint_(fingerprint(request)) {}

    Standing enter() {
        std::vector<std::string> changes;
        // Whoever reconciled under the exclusive lock lets go of it for the shared one, and another
        // may get in between that wants another mesh, or none. So that nobody loses that race for
        // ever, the last attempt keeps the exclusive lock, which only makes others wait.
        constexpr int attempts = 5;
        for (int i = 1; i <= attempts; ++i) {
            auto standing = enter_if_standing(lock(request_.state_dir, Mode::shared));
            if (!standing) {
                netlink::Fd exclusive = lock(request_.state_dir, Mode::exclusive);
                if (const auto stamp = valid_stamp(); !stamp || !stands(*stamp)) {
                    if (request_.is_current && !request_.is_current())
                        throw Outdated();
                    changes = std::move(change().changes);
                }
                if (i == attempts)
                    standing = enter_if_standing(std::move(exclusive));
            }
            if (standing) {
                standing->changes_ = std::move(changes);
                return *std::move(standing);
            }
        }
        throw Conflict("the mesh was made and yet does not stand: other routes of this host lead "
                       "to pods of other nodes, or something removes ours; find them with ip route "
                       "get and ip monitor");
    }

    Reconciled enforce(const std::function<void()>& publish) {
        const netlink::Fd exclusive = lock(request_.state_dir, Mode::exclusive);
        Reconciled result = change();
        if (publish)
            publish();
        return result;
    }

  private:
    std::optional<Stamp> valid_stamp() const {
        auto stamp = read_stamp(request_.state_dir);
        const bool valid = stamp && stamp->fingerprint == fingerprint_ && !stamp->doubted;
        return valid ? stamp : std::nullopt;
    }

    bool stands(const Stamp& stamp) const {
        const Node* self = find_node(request_.nodes, stamp.self);
        return self != nullptr && !find_loss(route_, request_, *self, peers_looked_at);
    }

    std::optional<Standing> enter_if_standing(netlink::Fd held) const {
        Standing standing;
        standing.lock_ = std::move(held);
        const auto stamp = valid_stamp();
        if (!stamp || !stands(*stamp))
            return std::nullopt;
        standing.self_ = *find_node(request_.nodes, stamp->self);
        standing.pod_mtu_ = stamp->pod_mtu;
        return standing;
    }

    Reconciled change() const {
        Stamp stamp{.network = request_.settings.network,
                    .fingerprint = {},
                    .host = host_identity(),
                    .self = {},
                    .forwarding_turned_on = {}};
        if (const auto before = read_stamp(request_.state_dir);
            before && before->host == stamp.host) {
            refuse_other_network(*before, stamp.network);
            stamp.forwarding_turned_on = before->forwarding_turned_on;
        }
        // Should this fail half-way, the next caller must not take the old stamp's word, but must
        // know what there is to put back.
        write_stamp(request_.state_dir, stamp);
        const auto note_forwarding = [&](const std::vector<std::string>& devices) {
            merge_into(stamp.forwarding_turned_on, devices);
            write_stamp(request_.state_dir, stamp);
        };
        Reconciled result = reconcile(route_, request_.nodes, request_.node_name, request_.settings,
                                      note_forwarding);
        stamp.fingerprint = fingerprint_;
        stamp.self = request_.nodes[result.self].name;
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
                   const std::function<void()>& publish) {
    return Gate(route, request).enforce(publish);
}

Outlook look(netlink::Socket& route, const Request& request) {
    const auto stamp = read_stamp(request.state_dir);
    if (stamp && stamp->host == host_identity()) {
        refuse_other_network(*stamp, request.settings.network);
        if (const Node* self = find_node(request.nodes, stamp->self);
            self != nullptr && stamp->fingerprint == fingerprint(request)) {
            auto broken = find_loss(route, request, *self, request.nodes.size());
            const bool stands = !broken;
            return {.self = *self, .stands = stands, .broken = std::move(broken)};
        }
    }
    const Inspection found = inspect(route, request.nodes, request.node_name, request.settings);
    return {.self = request.nodes[found.self], .stands = false, .broken = std::nullopt};
}

void doubt(const std::string& network, const std::filesystem::path& state_dir) {
    const netlink::Fd exclusive = lock(state_dir, Mode::exclusive);
    auto stamp = read_stamp(state_dir);
    if (!stamp || stamp->network != network || stamp->doubted)
        return;
    stamp->doubted = true;
    write_stamp(state_dir, *stamp);
}

std::vector<std::string> retire(netlink::Socket& route, const std::string& network,
                                const std::filesystem::path& state_dir,
                                const std::function<bool()>& unused) {
    // Where it is gone nobody holds its lock, and it must not come back.
    if (!std::filesystem::exists(state_dir))
        return unused() ? dismantle(route, network, {}) : std::vector<std::string>();
    const netlink::Fd exclusive = lock(state_dir, Mode::exclusive);
    if (!unused())
        return {};
    const auto stamp = read_stamp(state_dir);
    if (stamp && stamp->network != network)
        return {}; // another network's mesh has taken the place of this one's
    const bool ours = stamp && stamp->host == host_identity();
    auto lines =
        dismantle(route, network, ours ? stamp->forwarding_turned_on : std::vector<std::string>());
    remove_stamp(state_dir);
    return lines;
}

std::optional<netlink::Fd> shut(const std::filesystem::path& state_dir) {
    const auto path = state_dir / lock_name;
    netlink::Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!file && (errno == ENOENT || errno == ENOTDIR))
        return std::nullopt;
    if (!file)
        fail_to_lock(errno, path);
    lock(file, path, Mode::exclusive);
    return file;
}

} // namespace mesh
