#include "mesh/clear.h"

#include "mesh/observe.h"
#include "mesh/plan.h"
#include "mesh/stamp.h"
#include "netlink/forwarding.h"
#include "netlink/link_group.h"
#include "netlink/nftables.h"

#include <algorithm>
#include <exception>

namespace mesh {

namespace {

Remnant describe(const netlink::Link& tunnel) {
    const std::string owner = tunnel.alias.empty() ? "in the making" : tunnel.alias;
    return {.what = "the tunnel " + tunnel.name + " (" + owner + ") to " +
                    (tunnel.remote ? tunnel.remote->to_string() : "all peers"),
            .by_hand = "ip link delete " + tunnel.name};
}

Remnant describe(const netlink::InterfaceAddress& address) {
    const std::string shown = address.local.to_string() + '/' + std::to_string(address.prefix);
    return {.what = "the tunnel endpoint's address " + shown + " (" + address.label + ')',
            .by_hand = "ip address delete " + shown + " dev lo"};
}

Remnant describe(const netlink::Route& route) {
    const std::string protocol = std::to_string(netlink::own_protocol);
    std::string by_hand = "ip route delete " + route.destination.to_string() + " proto " + protocol;
    if (route.metric != 0)
        by_hand += " metric " + std::to_string(route.metric);
    return {.what = (route.unreachable ? "the unreachable route " : "the route ") +
                    route.destination.to_string() + " (protocol " + protocol + ')',
            .by_hand = by_hand};
}

Remnant describe_forwarding(const std::string& device, const std::string& network) {
    return {.what = "forwarding on " + device + " (turned on for " + network + ')',
            // With slashes: of dots, sysctl would take that of eth0.100 for one more.
            .by_hand = "sysctl -w net/ipv4/conf/" + device + "/forwarding=0"};
}

class Clear {
  public:
    Clear(netlink::Socket& route, const Clearing& clearing) : route_(route), clearing_(clearing) {}

    std::vector<Remnant> run() && {
        attempt("the tunnels and routes", "ip -details link show type ipip", [&] {
            const Observed ours = select_ours(observe(route_));
            clear_routes(ours.routes);
            clear_addresses(ours.addresses);
            clear_tunnels(ours.tunnels);
        });
        for (const std::filesystem::path& state_dir : clearing_.state_dirs)
            attempt("forwarding", "sysctl -a --pattern forwarding",
                    [&] { clear_forwarding(state_dir); });
        attempt("the nftables table inet ipip-cni", "nft delete table inet ipip-cni",
                [&] { clear_rules(); });
        return std::move(remnants_);
    }

  private:
    /// A step that cannot even tell what there is leaves a remnant that says so.
    template <typename Step>
    void attempt(const char* what, const char* by_hand, Step step) {
        try {
            step();
        } catch (const std::exception& error) {
            remnants_.push_back({.what = what, .by_hand = by_hand, .trouble = error.what()});
        }
    }

    void note(Remnant remnant, const std::optional<netlink::Error>& trouble) {
        if (trouble)
            remnant.trouble = trouble->what();
        remnants_.push_back(std::move(remnant));
    }

    /// A request for each of the list, all in one go.
    template <typename Item>
    void clear_by(const std::vector<Item>& items, netlink::Request (*request)(const Item&)) {
        std::vector<netlink::Request> requests;
        if (!clearing_.only_look)
            std::ranges::transform(items, std::back_inserter(requests), request);
        const auto answers = route_.exchange(requests);
        for (std::size_t i = 0; i < items.size(); ++i)
            note(describe(items[i]), answers.empty() ? std::nullopt : answers[i].error);
    }

    void clear_routes(std::vector<netlink::Route> routes) {
        std::erase_if(routes, [&](const netlink::Route& route) {
            return clearing_.other_links.contains(route.link);
        });
        clear_by(routes, netlink::delete_route);
    }

    void clear_addresses(const std::vector<netlink::InterfaceAddress>& addresses) {
        clear_by(addresses, netlink::delete_address);
    }

    void clear_tunnels(const std::vector<netlink::Link>& tunnels) {
        std::vector<std::optional<netlink::Error>> troubles(tunnels.size());
        if (!clearing_.only_look)
            troubles = netlink::delete_links(route_, tunnels);
        for (std::size_t i = 0; i < tunnels.size(); ++i)
            note(describe(tunnels[i]), troubles[i]);
    }

    void clear_forwarding(const std::filesystem::path& state_dir) {
        const auto stamp = read_stamp(state_dir);
        if (!stamp || stamp->host != host_identity())
            return; // the kernel of another boot, or another's network, knows nothing of it
        for (const std::string& device : stamp->forwarding_turned_on) {
            Remnant remnant = describe_forwarding(device, stamp->network);
            try {
                if (netlink::forwarding(device) != true)
                    continue;
                if (!clearing_.only_look)
                    netlink::set_forwarding(device, false);
            } catch (const std::exception& error) {
                remnant.trouble = error.what();
            }
            remnants_.push_back(std::move(remnant));
        }
    }

    void clear_rules() {
        if (clearing_.only_look ? netlink::has_rules_table() : netlink::remove_rules())
            remnants_.push_back({.what = "the nftables table inet ipip-cni",
                                 .by_hand = "nft delete table inet ipip-cni"});
    }

    netlink::Socket& route_;
    const Clearing& clearing_;
    std::vector<Remnant> remnants_;
};

} // namespace

std::vector<Remnant> clear(netlink::Socket& route, const Clearing& clearing) {
    return Clear(route, clearing).run();
}

} // namespace mesh
