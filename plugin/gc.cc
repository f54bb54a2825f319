#include "cni/attachment.h"
#include "cni/error.h"
#include "cni/log.h"
#include "netlink/link.h"
#include "netlink/link_group.h"
#include "plugin/address_source.h"
#include "plugin/retire.h"
#include "plugin/verbs.h"
#include "pods/names.h"
#include "pods/recovery.h"

namespace plugin {

namespace {

/// Deletes the links of `leases` and, by their marks, those without a lease, but none of `valid`;
/// all at once, as each would take the kernel as long as all together. Returns the names of those
/// that are still there, and why in `failures`.
std::set<std::string> collect_links(netlink::Socket& host, const std::string& network,
                                    const std::set<std::string>& valid,
                                    const std::vector<ipam::Lease>& leases,
                                    cni::Failures& failures) {
    std::set<std::string> leased;
    for (const ipam::Lease& lease : leases)
        leased.insert(pods::host_link_name(lease.owner));
    std::vector<netlink::Link> links = netlink::dump_links(host, "veth");
    std::erase_if(links, [&](const netlink::Link& link) {
        return valid.contains(link.name) ||
               (!leased.contains(link.name) && !pods::is_host_link(network, link.name, link.alias));
    });
    std::set<std::string> stuck;
    const auto troubles = netlink::delete_links(host, links);
    for (std::size_t i = 0; i < links.size(); ++i)
        failures.attempt([&] {
            if (troubles[i]) {
                stuck.insert(links[i].name);
                throw *troubles[i];
            }
            cni::log_info("deleted the link " + links[i].name + ", whose attachment is not valid");
        });
    return stuck;
}

} // namespace

void gc(Host& here, const cni::Call& call, const Identity& identity) {
    const std::string& network = identity.network;
    const std::set<cni::Attachment> valid = cni::read_valid_attachments(call.config);
    netlink::Socket& host = here.route.emplace();
    ipam::Store& store = here.store.emplace(pods::open_leases(host, identity.state_dir));
    cni::Failures failures;
    failures.attempt([&] { make_address_source(call, store, host)->collect_garbage(); });

    std::set<std::string> valid_links;
    for (const auto& [container, interface] : valid)
        valid_links.insert(pods::host_link_name({network, container, interface}));
    std::vector<ipam::Lease> leases = store.leases(network);
    std::erase_if(leases, [&](const ipam::Lease& lease) {
        return valid.contains({lease.owner.container, lease.owner.interface});
    });
    failures.attempt([&] {
        const std::set<std::string> stuck =
            collect_links(host, network, valid_links, leases, failures);
        for (const ipam::Lease& lease : leases)
            if (!stuck.contains(pods::host_link_name(lease.owner)))
                failures.attempt([&] {
                    store.release(lease.owner);
                    cni::log_info("freed " + lease.address.to_string() + " of interface " +
                                  lease.owner.interface + " of container " + lease.owner.container);
                });
    });
    failures.attempt([&] { retire_mesh_if_unused(identity, store); });
    failures.report();
}

} // namespace plugin
