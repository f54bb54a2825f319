#include "hash/hash.h"
#include "ipam/store.h"
#include "mesh/standing.h"
#include "netlink/pod_link.h"
#include "netlink/route.h"
#include "plugin/error.h"
#include "plugin/log.h"
#include "plugin/names.h"
#include "plugin/result.h"
#include "plugin/retire.h"
#include "plugin/verbs.h"

#include <functional>

namespace plugin {

namespace {

/// Undoes a step unless all that follow succeed too.
class Undo {
  public:
    explicit Undo(std::function<void()> step) : step_(std::move(step)) {}
    Undo(const Undo&) = delete;
    Undo& operator=(const Undo&) = delete;
    ~Undo() {
        try {
            if (step_)
                step_();
        } catch (const std::exception& error) { // the first cause is the one to report
            log_error(std::string("while undoing a failed ADD: ") + error.what());
        }
    }
    void keep() { step_ = nullptr; }

  private:
    std::function<void()> step_;
};

netlink::Netns open_pod(const Environment& environment) {
    const auto refuse = [&](const std::string& why) {
        throw EnvironmentError("CNI_NETNS: " + why +
                               "; pass the path of the pod's network namespace");
    };
    try {
        auto pod = netlink::Netns::open(*environment.netns);
        if (pod == netlink::Netns::current())
            refuse('"' + *environment.netns + "\" is the host's own network namespace");
        return pod;
    } catch (const netlink::NotANamespace& error) {
        refuse(error.what());
        throw;
    }
}

ipam::Store::Wish wish_for(const Config& config, const mesh::Node& self, netlink::Socket& host) {
    ipam::Store::Wish wish{.sets = {}, .requested = config.requested, .in_use = {}};
    for (const ip::Family family : {ip::Family::v4, ip::Family::v6}) {
        ipam::RangeSet set;
        for (const ip::Cidr& cidr : self.pod_cidrs)
            if (cidr.family() == family)
                set.push_back(ipam::usable(cidr, self.tunnel_addresses));
        if (!set.empty())
            wish.sets.push_back(std::move(set));
    }
    // The kernel has the last word: an address that has a route of its own is somebody's.
    wish.in_use = [&host](const ip::Address& address) {
        const auto reply = host.find(netlink::get_route(address));
        return reply && netlink::to_route(reply).route.destination == ip::Cidr::host(address);
    };
    return wish;
}

netlink::PodLink link_for(const Environment& environment, const Config& config,
                          const mesh::Standing& mesh, const std::vector<ip::Address>& addresses) {
    const std::string& network = config.identity.network;
    const auto mac = [&](End end) {
        return link_mac(network, environment.container_id, environment.interface, end);
    };
    netlink::PodLink link{
        .host_name = host_link_name(network, environment.container_id, environment.interface),
        .alias = host_link_alias(network, environment),
        .pod_name = environment.interface,
        .host_mac = mac(End::host),
        .pod_mac = config.mac.value_or(mac(End::pod)),
        .mtu = mesh.pod_mtu(),
        .addresses = addresses,
        .gateways = {},
        .check_source = config.settings.check_source};
    for (const ip::Address& address : addresses)
        link.gateways.push_back(*mesh::address_in(address.family(), mesh.self().tunnel_addresses));
    return link;
}

Result describe(const netlink::PodLink& link, const Environment& environment,
                const Config& config) {
    Result result{.host = {link.host_name, link.host_mac, link.mtu},
                  .pod = {link.pod_name, link.pod_mac, link.mtu},
                  .sandbox = *environment.netns,
                  .addresses = {},
                  .dns = config.dns};
    for (std::size_t i = 0; i < link.addresses.size(); ++i)
        result.addresses.push_back({link.addresses[i], link.gateways[i]});
    return result;
}

} // namespace

json::Value add(const Environment& environment, const Config& config) {
    const Identity& identity = config.identity;
    const ipam::Owner owner{identity.network, environment.container_id, environment.interface};
    const netlink::Netns pod = open_pod(environment);
    if (netlink::Socket inside = pod.socket(); netlink::has_link(inside, environment.interface))
        throw AlreadyAttached("CNI_IFNAME: the pod has an interface \"" + environment.interface +
                              "\" already; choose another name, or DEL it first");
    netlink::Socket host;
    ipam::Store store(identity.state_dir);

    Undo mesh_made([&] { retire_mesh_if_unused(identity, store); });
    const mesh::Standing mesh =
        mesh::stand(host, {.nodes = config.nodes,
                           .node_name = config.node_name,
                           .settings = config.settings,
                           .state_dir = identity.state_dir,
                           .seed = Hash().add(environment.container_id).value()});
    for (const std::string& line : mesh.changes())
        log_info(line);

    const auto [addresses, adopted] = store.allocate(owner, wish_for(config, mesh.self(), host));
    Undo leased([&] { store.release(owner); });
    if (adopted) // they were there before this ADD, and only DEL takes them
        leased.keep();

    const netlink::PodLink link = link_for(environment, config, mesh, addresses);
    netlink::attach(host, pod, link);
    Undo wired([&] { netlink::detach(host, link.host_name); });
    json::Value document = to_json(describe(link, environment, config), config.cni_version);

    wired.keep();
    leased.keep();
    mesh_made.keep();
    return document;
}

} // namespace plugin
