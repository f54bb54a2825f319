#include "cni/log.h"
#include "hash/hash.h"
#include "ipam/store.h"
#include "mesh/standing.h"
#include "netlink/pod_link.h"
#include "plugin/address_source.h"
#include "plugin/attachment.h"
#include "plugin/error.h"
#include "plugin/retire.h"
#include "plugin/verbs.h"
#include "pods/names.h"
#include "pods/recovery.h"

#include <algorithm>
#include <functional>
#include <optional>

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
            cni::log_error(std::string("while undoing a failed ADD: ") + error.what());
        }
    }
    void keep() { step_ = nullptr; }

  private:
    std::function<void()> step_;
};

/// The pod's link in the making; gone again unless it is kept.
class Wiring {
  public:
    Wiring(netlink::Socket& host, netlink::Pod& pod, netlink::PodLink link)
        : host_(host), pod_(pod), link_(std::move(link)), undo_([this] { take_away(); }) {}

    netlink::PodLink& link() { return link_; }

    /// Without addresses, for an IPAM plugin that wants to see the link.
    void begin() { ends_ = netlink::attach(host_, pod_, link_); }

    netlink::PodEnds complete() {
        if (ends_)
            netlink::assign(host_, pod_, link_, *ends_);
        else
            ends_ = netlink::attach(host_, pod_, link_);
        return *ends_;
    }

    void keep() { undo_.keep(); }

  private:
    void take_away() {
        if (!ends_)
            return;
        netlink::detach(host_, link_.host_name);
        if (link_.own_table)
            netlink::forget_own_table(pod_, link_.addresses);
    }

    netlink::Socket& host_;
    netlink::Pod& pod_;
    netlink::PodLink link_;
    std::optional<netlink::PodEnds> ends_;
    Undo undo_; // last, so that it runs while the others live
};

netlink::PodLink link_for(const cni::Environment& environment, const Config& config,
                          const mesh::Standing& mesh) {
    const ipam::Owner owner = owner_of(environment, config.identity);
    return {.host_name = pods::host_link_name(owner),
            .alias = pods::host_link_alias(owner.network, environment),
            .pod_name = environment.interface,
            .host_mac = pods::link_mac(owner, pods::End::host),
            .pod_mac = config.mac.value_or(pods::link_mac(owner, pods::End::pod)),
            .mtu = mesh.pod_mtu(),
            .addresses = {},
            .gateways = {},
            .routes = {},
            .check_source = config.settings.check_source};
}

/// What the IPAM gave becomes part of the link.
void furnish(netlink::PodLink& link, const AddressSource::Given& given, const mesh::Node& self) {
    link.addresses = given.addresses;
    for (const ip::Family family : {ip::Family::v4, ip::Family::v6})
        if (std::ranges::find(given.addresses, family, &ip::Address::family) !=
            given.addresses.end()) {
            link.gateways.push_back(*mesh::address_in(family, self.tunnel_addresses));
            if (given.routes.empty())
                link.routes.push_back({.destination = cni::everything(family)});
        }
    for (const cni::Result::Route& route : given.routes) {
        if (std::ranges::find(link.gateways, route.destination.family(), &ip::Address::family) ==
            link.gateways.end())
            throw json::FieldError("ipam.routes: " + route.destination.to_string() +
                                   " is of a family of which the pod has no address; remove it");
        if (route.gateway &&
            std::ranges::find(link.gateways, *route.gateway) == link.gateways.end())
            cni::log_warning("ipam.routes: " + route.destination.to_string() +
                             " leads through the node, the pod's only neighbour, instead of " +
                             route.gateway->to_string());
        link.routes.push_back({.destination = route.destination,
                               .metric = route.priority.value_or(0),
                               .table = route.table.value_or(0),
                               .mtu = route.mtu.value_or(0),
                               .advmss = route.advmss.value_or(0)});
    }
}

cni::Result describe(const netlink::PodLink& link, const netlink::PodEnds& ends,
                     const std::string& sandbox, json::Value dns) {
    cni::Result result{.interfaces = {{link.host_name, link.host_mac.to_string(), link.mtu, {}},
                                      {link.pod_name, link.pod_mac.to_string(), link.mtu, sandbox}},
                       .addresses = {},
                       .routes = {},
                       .dns = std::move(dns)};
    const auto gateway = [&](ip::Family family) {
        return *std::ranges::find(link.gateways, family, &ip::Address::family);
    };
    for (const ip::Address& address : link.addresses)
        result.addresses.push_back({.address = address,
                                    .prefix = address.bits(),
                                    .gateway = gateway(address.family()),
                                    .interface = 1});
    const auto number = [](std::uint32_t value) {
        return value != 0 ? std::optional(value) : std::nullopt;
    };
    for (const netlink::PodLink::Route& route : link.routes)
        result.routes.push_back(
            {.destination = route.destination,
             .gateway = gateway(route.destination.family()),
             .mtu = number(route.mtu),
             .advmss = number(route.advmss),
             .priority = number(route.metric),
             .table = number(route.table != 0 || !link.own_table ? route.table
                                                                 : netlink::own_table(ends))});
    return result;
}

/// What goes to standard output, behind what earlier plugins of the chain made.
json::Value document_of(const cni::Call& call, const Config& config, const cni::Result& result) {
    json::Value own = cni::to_json(result, config.cni_version);
    if (!config.previous)
        return own;
    return cni::merge(call.config.value().at("prevResult"), std::move(own));
}

} // namespace

static json::Value attach_pod(Host& here, const cni::Call& call, const Config& config) {
    const cni::Environment& environment = call.environment;
    const Identity& identity = config.identity;
    const ipam::Owner owner = owner_of(environment, identity);
    netlink::Pod pod(open_pod(environment));
    const netlink::PodState before = netlink::look_at_pod(pod, environment.interface);
    if (before.has_link)
        throw AlreadyAttached("CNI_IFNAME: the pod has an interface \"" + environment.interface +
                              "\" already; choose another name, or DEL it first");
    netlink::Socket& host = here.route.emplace();
    ipam::Store& store = here.store.emplace(pods::open_leases(host, identity.state_dir));
    const auto addresses = make_address_source(call, store, host);

    Undo mesh_made([&] {
        try {
            retire_mesh_if_unused(identity, store);
        } catch (const ipam::DamagedStore&) {
            // Which pods there are is not known now: theirs it may be.
        } catch (const ipam::StoreError&) { // one that failed to write says nothing any more
            retire_mesh_if_unused(identity, pods::open_leases(host, identity.state_dir));
        }
    });
    const mesh::Standing mesh =
        mesh::stand(host, {.cluster = config.cluster,
                           .settings = config.settings,
                           .state_dir = identity.state_dir,
                           .seed = Hash().add(environment.container_id).value(),
                           .is_current = config.is_current});
    for (const std::string& line : mesh.changes())
        cni::log_info(line);

    bool leased = false;
    Undo lease([&] { // after the link: no address is given again while its route still stands
        if (leased)
            store.release(owner);
    });
    Wiring wiring(host, pod, link_for(environment, config, mesh));
    wiring.link().own_table = !before.default_routes.empty();
    if (addresses->wants_link())
        wiring.begin();
    const AddressSource::Given given = addresses->take(owner, config, mesh.self());
    leased = !given.adopted;
    Undo taken([&] { addresses->give_back(); });
    furnish(wiring.link(), given, mesh.self());
    const netlink::PodEnds ends = wiring.complete();

    json::Value dns = config.dns.is_null() ? given.dns : config.dns;
    json::Value document = document_of(
        call, config, describe(wiring.link(), ends, *environment.netns, std::move(dns)));
    wiring.keep();
    taken.keep();
    lease.keep();
    mesh_made.keep();
    return document;
}

json::Value add(Host& here, const cni::Call& call, Config config) {
    for (;;)
        try {
            return attach_pod(here, call, config);
        } catch (const mesh::Outdated&) { // the agent made another mesh while we waited for it
            config = read_config(call);
        }
}

} // namespace plugin
