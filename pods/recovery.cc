#include "pods/recovery.h"

#include "ipam/boot_file.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "pods/names.h"

#include <map>
#include <set>

namespace pods {

namespace {

[[noreturn]] void refuse(const ipam::DamagedStore& damage, const std::string& why) {
    throw ipam::StoreError(std::string(damage.what()) + " (they cannot be made anew: " + why + ')');
}

/// Who owns the pods' links, by their number.
std::map<int, ipam::Owner> owners_of_links(netlink::Socket& host,
                                           const ipam::DamagedStore& damage) {
    std::map<int, ipam::Owner> owners;
    for (const netlink::Link& link : netlink::dump_links(host, "veth")) {
        if (!network_of_host_link(link.name, link.alias))
            continue;
        auto owner = owner_of_host_link(link.name, link.alias);
        if (!owner)
            refuse(damage, "the alias of the link " + link.name + ", \"" + link.alias +
                               "\", does not name its container");
        owners.emplace(link.index, *std::move(owner));
    }
    return owners;
}

} // namespace

std::string recover_leases(netlink::Socket& host, const std::filesystem::path& state_dir,
                           const ipam::DamagedStore& damage) {
    const auto owners = owners_of_links(host, damage);
    std::vector<ipam::Lease> leases;
    std::set<int> told; // the links whose addresses are known
    for (const ip::Family family : {ip::Family::v4, ip::Family::v6})
        for (const netlink::Route& route : netlink::dump_own_routes(host, family))
            if (const auto owner = owners.find(route.link);
                owner != owners.end() &&
                route.destination == ip::Cidr::host(route.destination.network())) {
                leases.push_back({.address = route.destination.network(),
                                  .owner = owner->second,
                                  .since = ipam::boot_time()});
                told.insert(route.link);
            }
    for (const auto& [link, owner] : owners) // its address would be given away
        if (!told.contains(link))
            refuse(damage, "there is no route to interface " + owner.interface + " of container " +
                               owner.container + ", by " + host_link_name(owner) +
                               "; add it, or delete that link if the container is gone");
    const auto kept = ipam::rebuild(state_dir, damage, leases);
    if (!kept)
        return "the leases were damaged, and another process has made them anew";
    return std::string(damage.what()) + ". Made " + std::to_string(leases.size()) +
           " leases anew from the pods' links; the damaged file is " + *kept;
}

} // namespace pods
