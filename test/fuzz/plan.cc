#include "test/fuzz/expect.h"
#include "test/unit/plan_model.h"

#include <algorithm>
#include <fuzzer/FuzzedDataProvider.h>

// A history of node lists on a host with devices of others and hands that spoil things: each
// plan can be carried out, the next is empty, and what is not ours is there to the end.

namespace {

using mesh::PlanModel;
using mesh::Wanted;

/// Takes an element out.
int pick(FuzzedDataProvider& bytes, std::vector<int>& numbers) {
    const auto at = numbers.begin() + bytes.ConsumeIntegralInRange<std::ptrdiff_t>(
                                          0, static_cast<std::ptrdiff_t>(numbers.size()) - 1);
    const int number = *at;
    numbers.erase(at);
    return number;
}

Wanted some_wanted(FuzzedDataProvider& bytes) {
    std::vector<int> names{1, 2, 3, 4, 5};
    std::vector<int> addresses = names;
    std::vector<int> cidrs = names;
    std::vector<mesh::Node> nodes(bytes.ConsumeIntegralInRange<std::size_t>(1, 4));
    for (mesh::Node& node : nodes) {
        const mesh::Node by_cidr = mesh::numbered_node(pick(bytes, cidrs));
        node = {.name = mesh::numbered_node(pick(bytes, names)).name,
                .addresses = mesh::numbered_node(pick(bytes, addresses)).addresses,
                .pod_cidrs = by_cidr.pod_cidrs,
                .tunnel_addresses = by_cidr.tunnel_addresses};
        if (bytes.ConsumeBool())
            node.tunnel_addresses = {*node.tunnel_addresses[0].next()};
        if (bytes.ConsumeBool() && !cidrs.empty())
            node.pod_cidrs.push_back(mesh::numbered_node(pick(bytes, cidrs)).pod_cidrs[0]);
        if (cidrs.empty())
            cidrs = {50, 51, 52, 53};
    }
    const auto self = bytes.ConsumeIntegralInRange<std::size_t>(0, nodes.size() - 1);
    Wanted wanted =
        bytes.ConsumeBool() ? mesh::wanted_shared_by(nodes, self) : mesh::wanted_by(nodes, self);
    wanted.rp_filter = bytes.ConsumeIntegralInRange(mesh::unchecked, mesh::loose);
    for (mesh::Tunnel& tunnel : wanted.tunnels)
        tunnel.device.mtu = bytes.ConsumeIntegralInRange<std::uint32_t>(1479, 1480);
    return wanted;
}

/// Devices, addresses and routes of others, some of them close to ours.
PlanModel some_host(FuzzedDataProvider& bytes) {
    PlanModel host;
    for (std::size_t left = bytes.ConsumeIntegralInRange<std::size_t>(0, 3); left > 0; --left) {
        netlink::Link link;
        link.name = bytes.PickValueInArray(
                        {"tunl0", "tun", "ipip-", "ipip-foo", "ipip-0000000g", "ipip-AC100502"}) +
                    std::to_string(left);
        link.kind = "ipip";
        link.alias = bytes.ConsumeBool() ? "podnet/host2" : "";
        link.up = true;
        link.local = mesh::numbered_node(bytes.ConsumeIntegralInRange(1, 5)).addresses[0];
        link.remote = mesh::numbered_node(static_cast<int>(left)).addresses[0];
        if (bytes.ConsumeBool())
            (bytes.ConsumeBool() ? link.local : link.remote) = ip::Address();
        if (link.remote == ip::Address())
            link.remote.reset();
        host.add(link);
        const int index = host.link(link.name).index;
        host.add(
            {.link = index,
             .local = mesh::numbered_node(bytes.ConsumeIntegralInRange(1, 5)).tunnel_addresses[0],
             .peer = mesh::numbered_node(bytes.ConsumeIntegralInRange(1, 5)).tunnel_addresses[0],
             .prefix = 32,
             .label = link.name});
        // No peer's: such a one is in the way, as the kernel has it.
        host.add({.destination = mesh::numbered_node(60 + static_cast<int>(left)).pod_cidrs[0],
                  .link = index,
                  .protocol = netlink::own_protocol});
    }
    return host;
}

/// Something done to the mesh by someone else. Only our devices can be spoilt.
void spoil(FuzzedDataProvider& bytes, PlanModel& host, const PlanModel& others) {
    std::vector<std::string> ours;
    for (const netlink::Link& link : host.state().tunnels)
        if (std::ranges::find(others.state().tunnels, link.name, &netlink::Link::name) ==
            others.state().tunnels.end())
            ours.push_back(link.name);
    if (ours.empty())
        return;
    const std::string& name = ours[bytes.ConsumeIntegralInRange<std::size_t>(0, ours.size() - 1)];
    netlink::Link& link = host.link(name);
    switch (bytes.ConsumeIntegralInRange(0, 6)) {
    case 0:
        return host.bring_down(name);
    case 1:
        return host.remove_link(name);
    case 2:
        link.mtu = 1000;
        return;
    case 3:
        link.alias.clear();
        return;
    case 4:
        link.forwarding = false;
        return;
    case 5:
        link.ttl = 1;
        return;
    default:
        link.remote = ip::Address::parse("192.0.2." + std::to_string(link.index % 250));
        return;
    }
}

/// Carries out the plan and makes sure that it leads where it should. False for a conflict.
bool become(const Wanted& wanted, PlanModel& host) {
    try {
        host.apply(plan(wanted, host.state()));
    } catch (const mesh::Conflict&) {
        return false;
    }
    expect(plan(wanted, host.state()).empty(),
           "one plan is enough; the host became\n" + host.to_string());
    for (const mesh::Tunnel& tunnel : wanted.tunnels) {
        expect(host.link(tunnel.device.name).remote == tunnel.device.remote,
               "a tunnel leads to its peer");
        for (const mesh::Tunnel::Way& way : tunnel.ways)
            expect(std::ranges::any_of(host.state().routes,
                                       [&](const netlink::Route& route) {
                                           return route.destination == way.destination &&
                                                  route.link == host.link(tunnel.device.name).index;
                                       }),
                   "a peer's pods are reached through its tunnel");
    }
    return true;
}

bool has_conflict(const Wanted& wanted, const PlanModel& others) {
    const auto takes_from_a_peer = [](const netlink::Link& link, const mesh::Tunnel& tunnel) {
        return !tunnel.device.remote &&
               (link.local == tunnel.device.local || link.local == ip::Address()) &&
               std::ranges::any_of(tunnel.ways, [&](const mesh::Tunnel::Way& way) {
                   return link.remote == way.remote;
               });
    };
    return std::ranges::any_of(wanted.tunnels, [&](const mesh::Tunnel& tunnel) {
        return std::ranges::any_of(others.state().tunnels, [&](const netlink::Link& link) {
            return (link.local == tunnel.device.local && link.remote == tunnel.device.remote) ||
                   takes_from_a_peer(link, tunnel);
        });
    });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider bytes(data, size);
    const PlanModel others = some_host(bytes);
    PlanModel host = others;
    for (int steps = 6; steps > 0 && bytes.remaining_bytes() > 0; --steps) {
        const Wanted wanted = some_wanted(bytes);
        expect(become(wanted, host) != has_conflict(wanted, others),
               "a conflict is one of devices");
        for (std::size_t left = bytes.ConsumeIntegralInRange<std::size_t>(0, 2); left > 0; --left)
            spoil(bytes, host, others);
    }
    become({.network = "podnet", .tunnels = {}, .endpoint = {}, .own_pod_cidrs = {}}, host);
    expect(host.to_string() == others.to_string(),
           "only what is not ours is left:\n" + host.to_string());
    return 0;
}
