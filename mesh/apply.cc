#include "mesh/apply.h"

#include "netlink/link_group.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <iterator>
#include <map>
#include <set>

namespace mesh {

namespace {

using Indices = std::map<std::string, int>;

/// Sends requests as they come, some at a time: those of a large mesh would be megabytes.
class Pipeline {
  public:
    /// Called with each answer and its request's number, from 0 on.
    using Take = std::function<void(std::size_t number, const netlink::Socket::Answer& answer)>;

    Pipeline(netlink::Socket& route, Take take) : route_(route), take_(std::move(take)) {
        waiting_.reserve(portion);
    }
    void add(netlink::Request request) {
        waiting_.push_back(std::move(request));
        if (waiting_.size() == portion)
            flush();
    }
    void flush() {
        const auto answers = route_.exchange(waiting_);
        for (std::size_t i = 0; i < answers.size(); ++i, ++number_)
            if (!waiting_[i].may_fail || !answers[i].error)
                take_(number_, answers[i]);
        waiting_.clear();
    }

  private:
    static constexpr std::size_t portion = 192;
    netlink::Socket& route_;
    Take take_;
    std::vector<netlink::Request> waiting_;
    std::size_t number_ = 0;
};

void must_succeed(std::size_t, const netlink::Socket::Answer& answer) {
    if (answer.error)
        throw *answer.error;
}

/// For what is to go anyway. A route goes with its source address: gone is gone.
void must_succeed_unless_gone(std::size_t number, const netlink::Socket::Answer& answer) {
    constexpr std::array gone{ESRCH, ENODEV, EADDRNOTAVAIL};
    if (answer.error && std::ranges::find(gone, answer.error->number()) == gone.end())
        must_succeed(number, answer);
}

/// Why the kernel says that a device exists which is none of this namespace's tunnels.
std::string describe_taken(const netlink::TunnelDevice& device) {
    return "a device named " + device.name +
           " that this network did not make stands in the way, or a tunnel from " +
           device.local.to_string() + " to " +
           (device.remote ? device.remote->to_string() : "all") +
           " was moved to another network namespace; remove or rename it (ip link show " +
           device.name + ", ip netns)";
}

/// What was asked for and could be made. `obstacles` gets the others.
std::vector<const netlink::TunnelDevice*>
make_devices(netlink::Socket& route, const std::vector<netlink::TunnelDevice>& devices,
             std::vector<Conflict::InTheWay>& obstacles) {
    std::vector<const netlink::TunnelDevice*> made;
    Pipeline pipeline(route, [&](std::size_t number, const netlink::Socket::Answer& answer) {
        const netlink::TunnelDevice& device = devices[number];
        const int error = answer.error ? answer.error->number() : 0;
        if (error == EOPNOTSUPP)
            throw NoTunnels();
        if (error == EEXIST && !device.remote)
            throw Conflict(describe_taken(device));
        if (error == EEXIST) {
            obstacles.push_back(
                {.remote = *device.remote, .what = describe_taken(device), .pod_cidr = {}});
            return;
        }
        must_succeed(number, answer);
        made.push_back(&device);
    });
    for (const netlink::TunnelDevice& device : devices)
        pipeline.add(netlink::make_tunnel(device));
    pipeline.flush();
    return made;
}

/// Makes the new devices and returns the index of every device that a change can name.
Indices make_devices(netlink::Socket& route, const Changes& changes, const Observed& observed) {
    Indices indices{{"", 0}, {"lo", loopback_index}}; // an unreachable route has no device
    for (const netlink::Link& link : observed.tunnels)
        indices.emplace(link.name, link.index);
    Pipeline pipeline(route, [&](std::size_t number, const netlink::Socket::Answer& answer) {
        must_succeed(number, answer);
        if (answer.reply) {
            const netlink::Link link = netlink::to_link(answer.reply);
            indices.insert_or_assign(link.name, link.index);
        }
    });
    for (const std::string& name : changes.delete_first) {
        netlink::Request request = netlink::delete_link(name);
        request.may_fail = true; // gone by itself
        pipeline.add(std::move(request));
    }
    pipeline.flush();
    std::vector<Conflict::InTheWay> obstacles;
    // What has such a name and was not made now is not to be changed either.
    for (const netlink::TunnelDevice* device : make_devices(route, changes.make, obstacles))
        pipeline.add(netlink::get_link(device->name));
    pipeline.flush();
    if (!obstacles.empty())
        throw Conflict(std::move(obstacles));
    return indices;
}

void configure(netlink::Socket& route, const std::vector<Changes::Configure>& devices,
               const Indices& indices, Pipeline::Take take = must_succeed) {
    Pipeline pipeline(route, std::move(take));
    for (const auto& [device, settings] : devices) {
        pipeline.add(netlink::configure(device, settings));
        if (settings.up)
            pipeline.add(netlink::without_multicast_route(indices.at(device)));
    }
    pipeline.flush();
}

/// Also those that were made by one who did not get any further.
void set_up_devices(netlink::Socket& route, const Changes& changes, const Indices& indices) {
    Pipeline pipeline(route, must_succeed);
    // An ipip device carries no IPv6: what such an address would send only counts as errors. It
    // would get one as it comes up.
    for (const auto& [device, settings] : changes.configure)
        pipeline.add(netlink::without_ipv6_address(device));
    for (const netlink::TunnelDevice& device : changes.change) {
        pipeline.add(netlink::without_ipv6_address(device.name));
        pipeline.add(netlink::change_tunnel(device));
        pipeline.add(netlink::without_multicast_route(indices.at(device.name)));
    }
    pipeline.flush();
    configure(route, changes.configure, indices);
    configure(route, changes.loosen, indices, must_succeed_unless_gone);
}

void add_addresses(netlink::Socket& route, const Changes& changes, const Indices& indices) {
    Pipeline pipeline(route, [&](std::size_t number, const netlink::Socket::Answer& answer) {
        if (answer.error && answer.error->number() == EEXIST) {
            const auto& [device, address] = changes.add_addresses[number];
            const std::string shown = address.local.to_string();
            throw Conflict("the address " + shown + " is on " + device +
                           " already, and this network did not put it there; remove it "
                           "(ip address delete " +
                           shown + " dev " + device + ')');
        }
        must_succeed(number, answer);
    });
    for (const auto& [device, address] : changes.add_addresses) {
        netlink::InterfaceAddress placed = address;
        placed.link = indices.at(device);
        pipeline.add(netlink::add_address(placed));
    }
    pipeline.flush();
}

void add_routes(netlink::Socket& route, const Changes& changes, const Indices& indices) {
    std::vector<Conflict::InTheWay> obstacles;
    Pipeline pipeline(route, [&](std::size_t number, const netlink::Socket::Answer& answer) {
        const auto& [device, wanted, if_exists, remote] = changes.add_routes[number];
        if (answer.error && answer.error->number() == EINVAL && wanted.gateway) {
            obstacles.push_back({.remote = *remote,
                                 .what = answer.error->what() + ("; if " + remote->to_string()) +
                                         " is this host's own address or one of many hosts, give "
                                         "that node another",
                                 .pod_cidr = {}});
            return;
        }
        if (!answer.error || answer.error->number() != EEXIST)
            return must_succeed(number, answer);
        const std::string destination = wanted.destination.to_string();
        const std::string what = "a route to " + destination +
                                 " that this network did not make stands "
                                 "already; remove it (ip route show " +
                                 destination + ')';
        if (!remote)
            throw Conflict(what);
        obstacles.push_back({.remote = *remote, .what = what, .pod_cidr = wanted.destination});
    });
    for (const auto& [device, wanted, if_exists, remote] : changes.add_routes) {
        netlink::Route placed = wanted;
        placed.link = indices.at(device);
        pipeline.add(netlink::add_route(placed, if_exists));
    }
    pipeline.flush();
    if (!obstacles.empty())
        throw Conflict(std::move(obstacles));
}

/// A device that stood and lost a route may have been down, and got its multicast route anew.
void drop_multicast_routes(netlink::Socket& route, const Changes& changes,
                           const Observed& observed) {
    std::set<std::string> incomplete;
    for (const Changes::Route& missing : changes.add_routes)
        incomplete.insert(missing.device);
    Pipeline pipeline(route, must_succeed);
    for (const netlink::Link& link : observed.tunnels)
        if (incomplete.contains(link.name))
            pipeline.add(netlink::without_multicast_route(link.index));
    pipeline.flush();
}

/// The devices go together: each by itself would cost an RCU grace period.
void delete_devices(netlink::Socket& route, const Changes& changes, const Observed& observed) {
    const std::set<std::string> unwanted(changes.delete_devices.begin(),
                                         changes.delete_devices.end());
    std::vector<netlink::Link> links;
    std::ranges::copy_if(observed.tunnels, std::back_inserter(links),
                         [&](const netlink::Link& link) { return unwanted.contains(link.name); });
    for (const auto& trouble : netlink::delete_links(route, links))
        if (trouble)
            throw *trouble;
}

void remove(netlink::Socket& route, const Changes& changes, const Observed& observed) {
    Pipeline pipeline(route, must_succeed_unless_gone);
    for (const auto* routes : {&changes.delete_endpoint_routes, &changes.delete_routes})
        for (const netlink::Route& unwanted : *routes)
            pipeline.add(netlink::delete_route(unwanted));
    for (const netlink::InterfaceAddress& address : changes.delete_addresses)
        pipeline.add(netlink::delete_address(address));
    pipeline.flush();
    delete_devices(route, changes, observed);
}

std::string shown(const netlink::TunnelDevice& device) {
    return device.name + " (" + device.alias + ") to " +
           (device.remote ? device.remote->to_string() : "all peers") + ", MTU " +
           std::to_string(device.mtu);
}

} // namespace

void apply(netlink::Socket& route, const Changes& changes, const Observed& observed) {
    if (changes.empty())
        return;
    const Indices indices = make_devices(route, changes, observed);
    set_up_devices(route, changes, indices);
    add_addresses(route, changes, indices);
    configure(route, changes.bring_up, indices);
    add_routes(route, changes, indices); // and moves those that stay, before their old way goes
    drop_multicast_routes(route, changes, observed);
    configure(route, changes.tighten, indices);
    remove(route, changes, observed);
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
    for (const auto& [device, route, if_exists, remote] : changes.add_routes)
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
    for (const auto& [device, route, if_exists, remote] : changes.add_routes)
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
