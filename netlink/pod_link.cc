#include "netlink/pod_link.h"

#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/neighbour.h"
#include "netlink/route.h"
#include "netlink/rule.h"

#include <algorithm>
#include <cerrno>

namespace netlink {

namespace {

// Stand for any address outside, to find the default route: the documentation's, RFC 5737 and 3849.
const char* const anywhere_v4 = "198.51.100.1";
const char* const anywhere_v6 = "2001:db8::1";

constexpr std::uint32_t first_own_table = 94'000;

const ip::Address& gateway_for(const PodLink& link, ip::Family family) {
    return *std::ranges::find(link.gateways, family, &ip::Address::family);
}

bool has_ipv6(const PodLink& link) {
    return std::ranges::find(link.addresses, ip::Family::v6, &ip::Address::family) !=
           link.addresses.end();
}

std::vector<Request> bring_up(const std::string& name, const PodLink& link,
                              const LinkSettings& settings) {
    std::vector<Request> requests;
    // The kernel spends a tenth of the whole on link-local addresses that nobody uses.
    if (!has_ipv6(link))
        requests.push_back(without_ipv6_address(name));
    requests.push_back(configure(name, settings));
    return requests;
}

/// Once both ends are up. The kernel gives a link that route when it sees the carrier, which is
/// later (linkwatch) and, from Linux 6.8 on, at the latest when somebody asks for the link; before
/// 6.8 there is none yet to take. With 1,000 pods on the node an ADD is a seventh faster without
/// these routes.
void drop_multicast_route(std::vector<Request>& requests, const PodLink& link,
                          const PodEnds& ends) {
    requests.push_back(get_link(link.host_name));
    requests.push_back(without_multicast_route(ends.host));
}

void add_host_routes(std::vector<Request>& requests, const PodLink& link, const PodEnds& ends) {
    for (const ip::Address& address : link.addresses)
        requests.push_back(host_route(address, gateway_for(link, address.family()), ends.host));
}

void add_pod_addresses(std::vector<Request>& requests, const PodLink& link, const PodEnds& ends) {
    const std::uint32_t table = link.own_table ? own_table(ends) : main_table;
    for (const ip::Address& address : link.addresses) {
        requests.push_back(add_address(
            {.link = ends.pod, .local = address, .peer = {}, .prefix = address.bits()}));
        if (link.own_table)
            requests.push_back(add_rule({address, table}));
    }
    for (const ip::Address& gateway : link.gateways) {
        requests.push_back(add_neighbour(ends.pod, gateway, link.host_mac));
        // As a neighbour the gateway can be used by whoever adds routes of his own, later plugins
        // such as sbr among them.
        requests.push_back(add_route({.destination = ip::Cidr::host(gateway),
                                      .link = ends.pod,
                                      .protocol = own_protocol,
                                      .table = table}));
    }
    for (const PodLink::Route& route : link.routes)
        requests.push_back(add_route({.destination = route.destination,
                                      .link = ends.pod,
                                      .gateway = gateway_for(link, route.destination.family()),
                                      .metric = route.metric,
                                      .protocol = own_protocol,
                                      .table = route.table != 0 ? route.table : table,
                                      .mtu = route.mtu,
                                      .advmss = route.advmss}));
}

} // namespace

std::uint32_t own_table(const PodEnds& ends) {
    return first_own_table + static_cast<std::uint32_t>(ends.pod);
}

Request host_route(const ip::Address& pod, const ip::Address& gateway, int link) {
    return add_route({.destination = ip::Cidr::host(pod),
                      .link = link,
                      .source = gateway,
                      .protocol = own_protocol});
}

PodState look_at_pod(Pod& pod, const std::string& link) {
    std::vector<Request> requests;
    requests.push_back(get_link(link));
    for (const char* anywhere : {anywhere_v4, anywhere_v6})
        requests.push_back(get_route(ip::Address::parse(anywhere)));
    const auto answers = pod.socket().exchange(requests);
    if (answers[0].error && answers[0].error->number() != ENODEV)
        throw *answers[0].error;
    PodState state{.has_link = !answers[0].error, .default_routes = {}};
    for (std::size_t i = 1; i < answers.size(); ++i) {
        if (!answers[i].reply) // the kernel finds no way out
            continue;
        const Route route = to_route(answers[i].reply).route;
        if (route.destination.length() == 0 && route.link != 0)
            state.default_routes.insert(route.destination.family());
    }
    return state;
}

PodEnds attach(Socket& host, Pod& pod, const PodLink& link) {
    std::vector<Request> birth;
    birth.push_back(
        make_veth({link.host_name, link.pod_name, link.host_mac, link.pod_mac, link.mtu, pod_group},
                  pod.space()));
    birth.push_back(get_link(link.host_name));
    const auto answers = [&] {
        try {
            return host.exchange(birth);
        } catch (...) { // the answer is lost, and the link may be there
            detach(host, link.host_name);
            throw;
        }
    }();
    if (answers[0].error)
        throw *answers[0].error; // nothing was made: what bears the name is not ours to undo
    try {
        if (answers[1].error)
            throw *answers[1].error;
        const Link made = to_link(answers[1].reply);
        const PodEnds ends{.host = made.index, .pod = made.peer_index};
        auto requests = bring_up(link.pod_name, link, {.up = true});
        add_pod_addresses(requests, link, ends);
        pod.socket().run(requests);
        requests = bring_up(link.host_name, link,
                            {.alias = link.alias,
                             .forwarding = true,
                             .rp_filter = link.check_source ? 1 : 0,
                             .up = true});
        if (!link.addresses.empty() && !has_ipv6(link)) // else assign() knows
            drop_multicast_route(requests, link, ends);
        add_host_routes(requests, link, ends);
        host.run(requests);
        return ends;
    } catch (...) {
        detach(host, link.host_name);
        if (link.own_table)
            forget_own_table(pod, link.addresses);
        throw;
    }
}

void assign(Socket& host, Pod& pod, const PodLink& link, const PodEnds& ends) {
    std::vector<Request> requests;
    if (!has_ipv6(link))
        drop_multicast_route(requests, link, ends);
    add_host_routes(requests, link, ends);
    host.run(requests);
    requests.clear();
    add_pod_addresses(requests, link, ends);
    pod.socket().run(requests);
}

bool detach(Socket& host, const std::string& host_name) {
    const Socket::Answer answer = host.exchange(delete_link(host_name));
    if (answer.error && answer.error->number() != ENODEV)
        throw *answer.error;
    return !answer.error;
}

void forget_own_table(Pod& pod, const std::vector<ip::Address>& addresses) {
    std::vector<Request> requests;
    requests.reserve(addresses.size());
    for (const ip::Address& address : addresses)
        requests.push_back(delete_rule(address));
    for (const Socket::Answer& answer : pod.socket().exchange(requests))
        if (answer.error && answer.error->number() != ENOENT)
            throw *answer.error;
}

} // namespace netlink
