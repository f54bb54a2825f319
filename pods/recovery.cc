#include "pods/recovery.h"

#include "ipam/boot_file.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "pods/names.h"

#include <map>
#include <set>

namespace pods {

namespace {

/// What the pods' links tell.
struct Told {
    std::vector<ipam::Lease> leases;
    std::set<std::string> mute; ///< the names of links that do not tell all
    std::string missing;        ///< what one of those does not tell, as a sentence
};

Told leases_of_links(netlink::Socket& host) {
    Told told;
    struct End {
        std::string name; ///< of the link, as it is now
        ipam::Owner owner;
    };
    std::map<int, End> ends; // by the link's number
    for (const netlink::Link& link : netlink::dump_links(host, "veth")) {
        if (auto owner = owner_of_host_link(link))
            ends.emplace(link.index, End{link.name, *std::move(owner)});
        else if (network_of_host_link(link)) {
            told.mute.insert(link.name);
            told.missing = "the alias of the link " + link.name + ", \"" + link.alias +
                           "\", does not name its container";
        }
    }
    if (ends.empty())
        return told;
    std::set<int> with_address;
    for (const ip::Family family : {ip::Family::v4, ip::Family::v6})
        for (const netlink::Route& route : netlink::dump_own_routes(host, family))
            if (const auto end = ends.find(route.link);
                end != ends.end() &&
                route.destination == ip::Cidr::host(route.destination.network())) {
                told.leases.push_back({.address = route.destination.network(),
                                       .owner = end->second.owner,
                                       .since = ipam::boot_time()});
                with_address.insert(route.link);
            }
    for (const auto& [link, end] : ends)
        if (!with_address.contains(link) &&
            host.find(netlink::get_link(link))) { // else it has gone
            told.mute.insert(end.name);
            told.missing = "there is no route to interface " + end.owner.interface +
                           " of container " + end.owner.container + ", by " + end.name +
                           "; add it, or delete that link if the container is gone";
        }
    return told;
}

} // namespace

ipam::Store open_leases(netlink::Socket& host, const std::filesystem::path& state_dir) {
    return ipam::Store(state_dir, [&] {
        Told told = leases_of_links(host);
        if (!told.mute.empty())
            throw Untold("the leases of " + state_dir.native() +
                             " are gone, and cannot be made anew: " + told.missing,
                         told.mute);
        return std::move(told.leases);
    });
}

std::string recover_leases(netlink::Socket& host, const std::filesystem::path& state_dir,
                           const ipam::DamagedStore& damage) {
    const Told told = leases_of_links(host);
    if (!told.mute.empty())
        throw Untold(std::string(damage.what()) + " (they cannot be made anew: " + told.missing +
                         ')',
                     told.mute);
    const auto kept = ipam::rebuild(state_dir, damage, told.leases);
    if (!kept)
        return "the leases were damaged, and another process has made them anew";
    return std::string(damage.what()) + ". Made " + std::to_string(told.leases.size()) +
           " leases anew from the pods' links; the damaged file is " + *kept;
}

} // namespace pods
