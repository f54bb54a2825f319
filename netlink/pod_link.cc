#include "netlink/pod_link.h"

#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/neighbour.h"
#include "netlink/route.h"

#include <algorithm>

namespace netlink {

namespace {

const ip::Cidr& everything(ip::Family family) {
    static const ip::Cidr v4 = ip::Cidr::parse("0.0.0.0/0");
    static const ip::Cidr v6 = ip::Cidr::parse("::/0");
    return family == ip::Family::v4 ? v4 : v6;
}

const ip::Address& gateway_for(const PodLink& link, ip::Family family) {
    return *std::ranges::find(link.gateways, family, &ip::Address::family);
}

bool has_ipv6(const PodLink& link) {
    return std::ranges::find(link.addresses, ip::Family::v6, &ip::Address::family) !=
           link.addresses.end();
}

std::vector<Request> host_side(const PodLink& link, int index) {
    std::vector<Request> requests;
    // The kernel spends a tenth of the whole on link-local addresses that nobody uses.
    if (!has_ipv6(link))
        requests.push_back(without_ipv6_address(link.host_name));
    requests.push_back(configure(link.host_name, {.alias = link.alias,
                                                  .forwarding = true,
                                                  .rp_filter = link.check_source ? 1 : 0,
                                                  .up = true}));
    for (const ip::Address& address : link.addresses)
        requests.push_back(add_route({.destination = ip::Cidr::host(address),
                                      .link = index,
                                      .source = gateway_for(link, address.family()),
                                      .protocol = own_protocol}));
    return requests;
}

std::vector<Request> pod_side(const PodLink& link, int index) {
    std::vector<Request> requests;
    if (!has_ipv6(link))
        requests.push_back(without_ipv6_address(link.pod_name));
    requests.push_back(configure(link.pod_name, {.up = true}));
    for (const ip::Address& address : link.addresses)
        requests.push_back(
            add_address({.link = index, .local = address, .peer = {}, .prefix = address.bits()}));
    for (const ip::Address& gateway : link.gateways) {
        requests.push_back(add_neighbour(index, gateway, link.host_mac));
        requests.push_back(add_route({.destination = everything(gateway.family()),
                                      .link = index,
                                      .gateway = gateway,
                                      .protocol = own_protocol}));
    }
    return requests;
}

} // namespace

bool has_link(Socket& pod, const std::string& name) {
    return pod.find(get_link(name)) != nullptr;
}

void attach(Socket& host, const Netns& pod, const PodLink& link) {
    std::vector<Request> birth;
    birth.push_back(
        make_veth({link.host_name, link.pod_name, link.host_mac, link.pod_mac, link.mtu}, pod));
    birth.push_back(get_link(link.host_name));
    const auto answers = host.exchange(birth);
    if (answers[0].error)
        throw *answers[0].error; // nothing was made: what bears the name is not ours to undo
    try {
        if (answers[1].error)
            throw *answers[1].error;
        const Link made = to_link(answers[1].reply);
        host.run(host_side(link, made.index));
        pod.socket().run(pod_side(link, made.peer_index));
    } catch (...) {
        detach(host, link.host_name);
        throw;
    }
}

bool detach(Socket& host, const std::string& host_name) {
    const auto answer = [&] {
        std::vector<Request> requests;
        requests.push_back(delete_link(host_name));
        return std::move(host.exchange(requests).front());
    }();
    if (answer.error && answer.error->number() != ENODEV)
        throw *answer.error;
    return !answer.error;
}

} // namespace netlink
