#include "mesh/underlay.h"

#include "netlink/link.h"
#include "netlink/route.h"

#include <algorithm>
#include <map>

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

/// To one remote: nowhere, where there is no link.
struct Way {
    std::uint32_t mtu = 0; ///< as of netlink::Route
    int link = 0;
    std::vector<int> further_links;
};

/// The largest packet that is carried whichever of the links it takes.
std::optional<std::uint32_t> mtu_of(const Way& way, Links& links) {
    std::optional<std::uint32_t> least;
    const auto pass = [&](int index) {
        const netlink::Link* link = links.find(index);
        if (link == nullptr)
            return;
        const std::uint32_t mtu = way.mtu == 0 ? link->mtu : std::min(way.mtu, link->mtu);
        least = std::min(least.value_or(mtu), mtu);
    };
    if (way.link != 0)
        pass(way.link);
    std::ranges::for_each(way.further_links, pass);
    return least;
}

} // namespace

Underlay look_at_underlay(netlink::Socket& route, const std::vector<ip::Address>& remotes) {
    std::vector<Way> ways(remotes.size());
    netlink::find_routes(route, remotes, [&](std::size_t number, const netlink::RouteEntry& entry) {
        ways[number] = {
            .mtu = entry.route.mtu, .link = entry.route.link, .further_links = entry.further_links};
    });
    Links links(route);
    Underlay underlay;
    underlay.mtus.reserve(ways.size());
    for (const Way& way : ways)
        underlay.mtus.push_back(mtu_of(way, links));
    for (const auto& [index, link] : links.known())
        underlay.devices.insert(link.name);
    return underlay;
}

} // namespace mesh
