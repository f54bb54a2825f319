#include "mesh/underlay.h"

#include "netlink/link.h"
#include "netlink/route.h"

#include <algorithm>
#include <map>
#include <span>

namespace mesh {

namespace {

class Links {
  public:
    explicit Links(netlink::Socket& route) : route_(route) {}

    const std::map<int, netlink::Link>& known() const { return links_; }

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

/// The largest packet that a route carries, whichever of its ways it takes if it has many.
std::optional<std::uint32_t> mtu_of(const netlink::RouteEntry& entry, Links& links) {
    std::optional<std::uint32_t> least;
    for (const int index : entry.links) {
        const netlink::Link* link = links.find(index);
        if (link == nullptr)
            continue;
        const std::uint32_t mtu =
            entry.route.mtu == 0 ? link->mtu : std::min(entry.route.mtu, link->mtu);
        least = std::min(least.value_or(mtu), mtu);
    }
    return least;
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
        for (const netlink::Socket::Answer& answer : answers)
            underlay.mtus.push_back(answer.error ? std::nullopt
                                                 : mtu_of(netlink::to_route(answer.reply), links));
    }
    for (const auto& [index, link] : links.known())
        underlay.devices.insert(link.name);
    return underlay;
}

} // namespace mesh
