#include "cni/error.h"
#include "netlink/early_delete.h"
#include "netlink/pod_link.h"
#include "plugin/address_source.h"
#include "plugin/attachment.h"
#include "plugin/retire.h"
#include "plugin/verbs.h"
#include "pods/host_links.h"
#include "pods/names.h"
#include "pods/recovery.h"

namespace plugin {

namespace {

/// Where the pod still is, nothing of its further link stays in it. It may be gone at any time.
void clean_pod(const cni::Environment& environment, const std::vector<ip::Address>& addresses) {
    if (!environment.netns || addresses.empty())
        return;
    try {
        netlink::Pod pod(open_pod(environment));
        netlink::forget_own_table(pod, addresses);
    } catch (const cni::EnvironmentError&) {
        return;
    }
}

/// The lease says that there was a link, and it may have another name by now.
void delete_renamed(netlink::Socket& host, const ipam::Owner& owner) {
    const pods::HostLinks links(host, owner.network);
    if (const netlink::Link* link = links.find(owner))
        netlink::delete_link_early(link->name);
}

} // namespace

void del(Host& here, const cni::Call& call, const Identity& identity) {
    const ipam::Owner owner = owner_of(call.environment, identity);
    netlink::Socket& host = here.route.emplace();
    ipam::Store& store = here.store.emplace(pods::open_leases(host, identity.state_dir));
    cni::Failures failures;
    const auto addresses = store.find(owner);
    // While the link is there: a DHCP client says good-bye over it.
    failures.attempt([&] { make_address_source(call, store, host)->give_back(); });
    failures.attempt([&] { clean_pod(call.environment, addresses); });
    failures.attempt([&] {
        if (!netlink::delete_link_early(pods::host_link_name(owner)) && !addresses.empty())
            delete_renamed(host, owner);
        // After the link: an address must not be given out again while its route still stands.
        store.release(owner);
    });
    failures.attempt([&] { retire_mesh_if_unused(identity, store); });
    failures.report();
}

bool del_link_among(const std::set<std::string>& links, const cni::Call& call,
                    const Identity& identity) {
    const ipam::Owner owner = owner_of(call.environment, identity);
    netlink::Socket host;
    const pods::HostLinks all(host, owner.network);
    const netlink::Link* const link = all.find(owner);
    return link != nullptr && links.contains(link->name) && netlink::delete_link_early(link->name);
}

} // namespace plugin
