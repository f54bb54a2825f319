#include "pods/audit.h"

#include "netlink/route.h"
#include "pods/host_links.h"
#include "pods/names.h"

namespace pods {

std::vector<ipam::Lease> abandoned(const ipam::Store& store, netlink::Socket& host,
                                   const std::string& network) {
    constexpr std::chrono::minutes youth{1};
    auto leases = store.leases(network);
    if (leases.empty())
        return {};
    const auto links = host_links(host, network);
    std::vector<ipam::Lease> found;
    for (ipam::Lease& lease : leases)
        if (ipam::boot_time() - lease.since >= youth &&
            !links.contains(host_link_name(lease.owner)) &&
            !netlink::is_host_route(host, lease.address))
            found.push_back(std::move(lease));
    return found;
}

} // namespace pods
