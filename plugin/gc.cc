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

/// The host ends of some pods: by whose they are or, where their aliases do not tell, by the names
/// that they were made with and by their hardware addresses.
class HostEnds {
  public:
    explicit HostEnds(std::set<ipam::Owner> owners) : owners_(std::move(owners)) {
        for (const ipam::Owner& owner : owners_) {
            names_.insert(pods::host_link_name(owner));
            macs_.insert(pods::link_mac(owner, pods::End::host));
        }
    }
    bool contain(const netlink::Link& link) const {
        if (const auto owner = pods::owner_of_host_link(link))
            return owners_.contains(*owner);
        return names_.contains(link.name) || macs_.contains(link.mac);
    }

  private:
    std::set<ipam::Owner> owners_;
    std::set<std::string> names_;
    std::set<ip::Mac> macs_;
};

/// Deletes the links of `leases` and, by their marks, those without a lease, but none of `valid`;
/// all at once, as each would take the kernel as long as all together. Returns those that are still
/// there, and why in `failures`.
std::vector<netlink::Link> collect_links(netlink::Socket& host, const std::string& network,
                                         const HostEnds& valid,
                                         const std::vector<ipam::Lease>& leases,
                                         cni::Failures& failures) {
    std::set<ipam::Owner> owners;
    for (const ipam::Lease& lease : leases)
        owners.insert(lease.owner);
    const HostEnds leased(std::move(owners));
    std::vector<netlink::Link> links = netlink::dump_links(host, "veth");
    std::erase_if(links, [&](const netlink::Link& link) {
        return valid.contain(link) ||
               (!leased.contain(link) && pods::network_of_host_link(link) != network);
    });
    std::vector<netlink::Link> stuck;
    const auto troubles = netlink::delete_links(host, links);
    for (std::size_t i = 0; i < links.size(); ++i)
        failures.attempt([&] {
            if (troubles[i]) {
                stuck.push_back(links[i]);
                throw *troubles[i];
            }
            cni::log_info("deleted the link " + links[i].name + ", whose attachment is not valid");
        });
    return stuck;
}

bool stands(const ipam::Owner& owner, const std::vector<netlink::Link>& links) {
    const HostEnds end({owner});
    return std::ranges::any_of(links, [&](const netlink::Link& link) { return end.contain(link); });
}

} // namespace

void gc(Host& here, const cni::Call& call, const Identity& identity) {
    const std::string& network = identity.network;
    const std::set<cni::Attachment> valid = cni::read_valid_attachments(call.config);
    netlink::Socket& host = here.route.emplace();
    ipam::Store& store = here.store.emplace(pods::open_leases(host, identity.state_dir));
    cni::Failures failures;
    failures.attempt([&] { make_address_source(call, store, host)->collect_garbage(); });

    std::set<ipam::Owner> valid_owners;
    for (const auto& [container, interface] : valid)
        valid_owners.insert({network, container, interface});
    std::vector<ipam::Lease> leases = store.leases(network);
    std::erase_if(leases,
                  [&](const ipam::Lease& lease) { return valid_owners.contains(lease.owner); });
    failures.attempt([&] {
        const auto stuck = collect_links(host, network, HostEnds(valid_owners), leases, failures);
        for (const ipam::Lease& lease : leases)
            if (!stands(lease.owner, stuck))
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
