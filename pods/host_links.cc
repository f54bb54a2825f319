#include "pods/host_links.h"

#include "pods/names.h"

namespace pods {

HostLinks::HostLinks(netlink::Socket& host, const std::string& network) {
    for (netlink::Link& link : netlink::dump_links(host, "veth"))
        if (network_of_host_link(link) == network) {
            const auto owner = owner_of_host_link(link);
            const std::string name = owner ? host_link_name(*owner) : link.name;
            if (link.name == name) // it comes before a twin of another name
                by_name_.insert_or_assign(name, std::move(link));
            else
                by_name_.emplace(name, std::move(link));
        } else {
            unmarked_.emplace(link.mac, std::move(link));
        }
}

const netlink::Link* HostLinks::find(const ipam::Owner& owner) const {
    if (const auto named = by_name_.find(host_link_name(owner)); named != by_name_.end())
        return &named->second;
    const auto unmarked = unmarked_.find(link_mac(owner, End::host));
    return unmarked == unmarked_.end() ? nullptr : &unmarked->second;
}

} // namespace pods
