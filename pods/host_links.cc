#include "pods/host_links.h"

#include "pods/names.h"

namespace pods {

HostLinks::HostLinks(netlink::Socket& host, const std::string& network) {
    for (netlink::Link& link : netlink::dump_links(host, "veth"))
        if (is_host_link(network, link.name, link.alias))
            by_name_.emplace(link.name, std::move(link));
        else
            renamed_.emplace(link.mac, std::move(link));
}

const netlink::Link* HostLinks::find(const ipam::Owner& owner) const {
    if (const auto named = by_name_.find(host_link_name(owner)); named != by_name_.end())
        return &named->second;
    const auto renamed = renamed_.find(link_mac(owner, End::host));
    return renamed == renamed_.end() ? nullptr : &renamed->second;
}

} // namespace pods
