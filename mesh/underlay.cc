#include "mesh/underlay.h"

#include "netlink/link.h"
#include "netlink/route.h"

#include <algorithm>
#include <span>

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

/// What a route tells of the way to `remote`.
void note_way(Underlay& underlay, Links& links, const ip::Address& remote,
              const netlink::RouteEntry& entry) {
    for (const int index : entry.links) {
        const netlink::Link* link = links.find(index);
        if (link == nullptr)
            continue;
        underlay.devices.insert(link->name);
        const std::uint32_t mtu =
            entry.route.mtu == 0 ? link->mtu : std::min(entry.route.mtu, link->mtu);
        auto& least = underlay.mtu.emplace(remote, mtu).first->second;
        least = std::min(least, mtu); // a multipath route may take any of its ways
    }
}

} // namespace

Underlay look_at_underlay(netlink::Socket& route, const std::vector<ip::Address>& remotes) {
    constexpr std::size_t portion = 192; // all of a large mesh's requests would be megabytes
    Underlay underlay;
    Links links(route);
    for (std::size_t begin = 0; begin < remotes.size(); begin += portion) {
        const std::span some =
            std::span(remotes).subspan(begin).first(std::min(portion, remotes.size() - begin));
        std::vector<netlink::Request> requests;
        requests.reserve(some.size());
        for (const ip::Address& remote : some)
            requests.push_back(netlink::get_route(remote));
        const auto answers = route.exchange(requests);
        for (std::size_t i = 0; i < some.size(); ++i)
            if (!answers[i].error)
                note_way(underlay, links, some[i], netlink::to_route(answers[i].reply));
    }
    return underlay;
}

} // namespace mesh
