#include "mesh/underlay.h"

#include "netlink/link.h"
#include "netlink/route.h"

#include <algorithm>

namespace mesh {

namespace {

class Links {
  public:
    explicit Links(netlink::Socket& route) : route_(route) {}

    /// Null for one that has gone since.
    const netlink::Link* find(int index) {
        auto known = links_.find(index);
        if (known == links_.end())
            if (const auto reply = route_.find(netlink::get_link(index)))
                known = links_.emplace(index, netlink::to_link(reply)).first;
        return known == links_.end() ? nullptr : &known->second;
    }

  private:
    netlink::Socket& route_;
    std::map<int, netlink::Link> links_;
};

} // namespace

Underlay look_at_underlay(netlink::Socket& route, const std::vector<ip::Address>& remotes) {
    std::vector<netlink::Request> requests;
    requests.reserve(remotes.size());
    for (const ip::Address& remote : remotes)
        requests.push_back(netlink::get_route(remote));
    const auto answers = route.exchange(requests);
    Underlay underlay;
    Links links(route);
    for (std::size_t i = 0; i < remotes.size(); ++i) {
        if (answers[i].error)
            continue;
        const netlink::RouteEntry entry = netlink::to_route(answers[i].reply);
        for (const int index : entry.links) {
            const netlink::Link* link = links.find(index);
            if (link == nullptr)
                continue;
            underlay.devices.insert(link->name);
            const std::uint32_t mtu =
                entry.route.mtu == 0 ? link->mtu : std::min(entry.route.mtu, link->mtu);
            auto& least = underlay.mtu.emplace(remotes[i], mtu).first->second;
            least = std::min(least, mtu); // a multipath route may take any of its ways
        }
    }
    return underlay;
}

} // namespace mesh
