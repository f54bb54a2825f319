#include "ipam_plugin/program.h"

#include "cni/attachment.h"
#include "ipam_plugin/config.h"
#include "ipam_plugin/error.h"
#include "netlink/route.h"
#include "netlink/socket.h"

#include <algorithm>

namespace ipam_plugin {

namespace {

ipam::Owner owner_of(const cni::Call& call, const Identity& identity) {
    return {identity.network, call.environment.container_id, call.environment.interface};
}

const Subnet& subnet_of(const std::vector<SubnetSet>& sets, const ip::Address& address) {
    for (const SubnetSet& set : sets)
        for (const Subnet& subnet : set)
            if (ipam::contains(subnet.range, address))
                return subnet;
    throw std::logic_error("an address outside of all ranges was allocated");
}

} // namespace

json::Value Program::add(const cni::Call& call) {
    const Settings settings = read_settings(call.config, call.environment, call.version);
    netlink::Socket host;
    ipam::Store store(settings.identity.data_dir);
    const auto allocation = store.allocate(owner_of(call, settings.identity),
                                           {.sets = to_ranges(settings.sets),
                                            .requested = settings.requested,
                                            .in_use = [&](const ip::Address& address) {
                                                return netlink::is_host_route(host, address);
                                            }});
    cni::Result result{
        .interfaces = {}, .addresses = {}, .routes = settings.routes, .dns = settings.dns};
    for (const ip::Address& address : allocation.addresses) {
        const Subnet& subnet = subnet_of(settings.sets, address);
        result.addresses.push_back({.address = address,
                                    .prefix = subnet.block.length(),
                                    .gateway = subnet.gateway,
                                    .interface = {}});
    }
    return cni::to_json(result, call.version);
}

void Program::del(const cni::Call& call) {
    const Identity identity = read_identity(call.config);
    ipam::Store(identity.data_dir).release(owner_of(call, identity));
}

void Program::check(const cni::Call& call) {
    const Settings settings = read_settings(call.config, call.environment, call.version);
    const auto previous = cni::read_previous(call.config, call.version);
    const ipam::Owner owner = owner_of(call, settings.identity);
    const auto held = ipam::Store(settings.identity.data_dir).find(owner);
    const std::string who = "interface " + owner.interface + " of container " + owner.container;
    if (held.empty())
        throw cni::Failure(cni::check_failed, "no address is leased to " + who +
                                                  "; delete the container and add it again");
    if (!previous)
        return;
    for (const ip::Address& address : held)
        if (std::ranges::find(previous->addresses, address, &cni::Result::Address::address) ==
            previous->addresses.end())
            throw cni::Failure(cni::check_failed,
                               "prevResult.ips: " + address.to_string() + ", which is leased to " +
                                   who + ", is missing; delete the container and add it again");
}

void Program::gc(const cni::Call& call) {
    const Identity identity = read_identity(call.config);
    const auto valid = cni::read_valid_attachments(call.config);
    ipam::Store store(identity.data_dir);
    cni::Failures failures;
    for (const ipam::Lease& lease : store.leases(identity.network))
        if (!valid.contains({lease.owner.container, lease.owner.interface}))
            failures.attempt([&] { store.release(lease.owner); });
    failures.report();
}

void Program::status(const cni::Call& call) {
    const Settings settings = read_settings(call.config, call.environment, call.version);
    try {
        ipam::Store(settings.identity.data_dir)
            .require_free(settings.identity.network, to_ranges(settings.sets));
    } catch (const std::runtime_error& error) { // full, or not to be read
        throw cni::Failure(cni::not_available, error.what());
    }
}

cni::Error Program::describe(const std::exception& exception) const {
    return ipam_plugin::describe(exception);
}

} // namespace ipam_plugin
