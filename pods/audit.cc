#include "pods/audit.h"

#include "netlink/route.h"
#include "pods/host_links.h"

namespace pods {

std::vector<ipam::Lease> abandoned(const ipam::Store& store, netlink::Socket& host,
                                   const std::string& network) {
    constexpr std::chrono::minutes youth{1};
    auto leases = store.leases(network);
    if (leases.empty())
        return {};
    const HostLinks links(host, network);
    std::vector<ipam::Lease> found;
    for (ipam::Lease& lease : leases)
        if (ipam::boot_time() - lease.since >= youth && links.find(lease.owner) == nullptr &&
            !netlink::is_host_route(host, lease.address))
            found.push_back(std::move(lease));
    return found;
}

} // namespace pods
