#include "cni/attachment.h"
#include "cni/error.h"
#include "cni/log.h"
#include "netlink/link.h"
#include "netlink/pod_link.h"
#include "plugin/address_source.h"
#include "plugin/attachment.h"
#include "plugin/retire.h"
#include "plugin/verbs.h"
#include "pods/names.h"

namespace plugin {

void gc(Host& here, const cni::Call& call, const Identity& identity) {
    const std::string& network = identity.network;
    const std::set<cni::Attachment> valid = cni::read_valid_attachments(call.config);
    netlink::Socket& host = here.route.emplace();
    ipam::Store& store = here.store.emplace(identity.state_dir);
    cni::Failures failures;
    failures.attempt([&] { make_address_source(call, store, host)->collect_garbage(); });

    std::set<std::string> valid_links;
    for (const auto& [container, interface] : valid)
        valid_links.insert(pods::host_link_name({network, container, interface}));
    std::set<std::string> gone;
    const auto collect = [&](const std::string& link) {
        if (netlink::detach(host, link))
            cni::log_info("deleted the link " + link + ", whose attachment is not valid");
        gone.insert(link);
    };
    for (const ipam::Lease& lease : store.leases(network)) {
        const ipam::Owner& owner = lease.owner;
        if (valid.contains({owner.container, owner.interface}))
            continue;
        failures.attempt([&] {
            collect(pods::host_link_name(owner));
            store.release(owner);
            cni::log_info("freed " + lease.address.to_string() + " of interface " +
                          owner.interface + " of container " + owner.container);
        });
    }
    // Links without a lease, by their marks.
    failures.attempt([&] {
        for (const netlink::Link& link : netlink::dump_links(host, "veth"))
            if (pods::is_host_link(network, link.name, link.alias) &&
                !valid_links.contains(link.name) && !gone.contains(link.name))
                failures.attempt([&] { collect(link.name); });
    });
    failures.attempt([&] { retire_mesh_if_unused(identity, store); });
    failures.report();
}

} // namespace plugin
