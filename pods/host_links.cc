#include "pods/host_links.h"

#include "pods/names.h"

namespace pods {

std::map<std::string, netlink::Link> host_links(netlink::Socket& host, const std::string& network) {
    std::map<std::string, netlink::Link> links;
    for (netlink::Link& link : netlink::dump_links(host, "veth"))
        if (is_host_link(network, link.name, link.alias))
            links.emplace(link.name, std::move(link));
    return links;
}

} // namespace pods
