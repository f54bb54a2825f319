#include "test/unit/plan_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

// Whatever a host has been through, one plan leads to what is wanted, and the next is empty.

namespace mesh {
namespace {

class Chance {
  public:
    explicit Chance(unsigned seed) : random_(seed) {}

    std::size_t below(std::size_t end) {
        return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
    }

    /// A list of nodes out of a few, whose names, addresses, CIDRs and endpoints are in any order.
    std::vector<Node> nodes() {
        std::vector<Node> pool = numbered_nodes({1, 2, 3, 4, 5, 6});
        std::vector<std::size_t> addresses{0, 1, 2, 3, 4, 5};
        std::vector<std::size_t> cidrs = addresses;
        if (below(2) == 0)
            std::ranges::shuffle(addresses, random_);
        if (below(2) == 0)
            std::ranges::shuffle(cidrs, random_);
        std::vector<Node> nodes = pool;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            nodes[i].addresses = pool[addresses[i]].addresses;
            nodes[i].pod_cidrs = pool[cidrs[i]].pod_cidrs;
            nodes[i].tunnel_addresses = pool[cidrs[i]].tunnel_addresses;
            if (below(4) == 0)
                nodes[i].tunnel_addresses = {*nodes[i].tunnel_addresses[0].next()};
        }
        std::ranges::shuffle(nodes, random_);
        nodes.resize(1 + below(nodes.size()));
        return nodes;
    }

    Wanted wanted() {
        const std::vector<Node> list = nodes();
        const std::size_t self = below(list.size());
        Wanted wanted = below(3) == 0 ? wanted_shared_by(list, self) : wanted_by(list, self);
        wanted.rp_filter = static_cast<int>(below(3));
        for (Tunnel& tunnel : wanted.tunnels)
            tunnel.device.mtu = below(4) == 0 ? 1400 : 1480;
        return wanted;
    }

    /// Something that happens to a mesh by someone else's hand.
    void spoil(PlanModel& host) {
        const Observed& state = host.state();
        if (state.tunnels.empty() || state.addresses.empty() || state.routes.empty())
            return;
        const std::string name = state.tunnels[below(state.tunnels.size())].name;
        netlink::Link& link = host.link(name);
        switch (below(9)) {
        case 0:
            return host.bring_down(name);
        case 1:
            return host.remove_link(name);
        case 2:
            return host.remove(netlink::Route(state.routes[below(state.routes.size())]));
        case 3:
            return host.remove(
                netlink::InterfaceAddress(state.addresses[below(state.addresses.size())]));
        case 4:
            link.mtu = 1000;
            return;
        case 5:
            link.alias.clear();
            return;
        case 6:
            link.forwarding = false;
            return;
        case 7:
            link.path_mtu_discovery = false;
            return;
        default:
            link.remote = link.remote && below(4) == 0
                              ? std::nullopt
                              : std::optional(ip::Address::parse("192.0.2." +
                                                                 std::to_string(link.index % 250)));
            return;
        }
    }

  private:
    std::mt19937 random_;
};

TEST(PlanHistory, DoesNotShowInWhatStandsInTheEnd) {
    Chance chance(94);
    for (int round = 0; round < 60; ++round) {
        PlanModel host;
        for (int change = 0; change < 4; ++change) {
            const Wanted wanted = chance.wanted();
            const std::string before = host.to_string();
            ASSERT_NO_THROW(host.apply(plan(wanted, host.state()))) << round << '\n' << before;
            ASSERT_TRUE(plan(wanted, host.state()).empty()) << before << "became\n"
                                                            << host.to_string();
            ASSERT_EQ(host.to_string(), standing(wanted).to_string()) << "after\n" << before;
            for (std::size_t wrongs = chance.below(3); wrongs > 0; --wrongs)
                chance.spoil(host);
        }
        host.apply(plan({.network = "podnet", .tunnels = {}, .endpoint = {}, .own_pod_cidrs = {}},
                        host.state()));
        ASSERT_EQ(host.to_string(), "");
    }
}

} // namespace
} // namespace mesh
