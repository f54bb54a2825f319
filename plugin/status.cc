#include "cni/error.h"
#include "mesh/conflict.h"
#include "mesh/standing.h"
#include "netlink/link.h"
#include "plugin/address_source.h"
#include "plugin/verbs.h"
#include "pods/recovery.h"

namespace plugin {

void status(Host& here, const cni::Call& call, const Config& config) {
    try {
        netlink::Socket& host = here.route.emplace();
        ipam::Store& store = here.store.emplace(pods::open_leases(host, config.identity.state_dir));
        const mesh::Outlook outlook = mesh::look(host, {.cluster = config.cluster,
                                                        .settings = config.settings,
                                                        .state_dir = config.identity.state_dir});
        if (outlook.broken && !store.empty(config.identity.network))
            throw cni::Failure(cni::limited_connectivity,
                               *outlook.broken +
                                   ": pods are cut off from others; an ADD that comes upon "
                                   "it, or ipipd where it runs, repairs it");
        if (!outlook.stands && config.cluster.listing().nodes.size() > 1 &&
            !netlink::has_tunnels(host))
            throw mesh::NoTunnels();
        make_address_source(call, store, host)->require_available(config, outlook.self);
    } catch (const ipam::DamagedStore&) { // can be mended
        throw;
    } catch (const cni::Failure& failure) { // another plugin's own words, or ours
        if (failure.code() != cni::delegate_failed)
            throw;
        throw cni::Failure(cni::not_available, failure.what());
    } catch (const std::exception& error) { // each of these would keep an ADD from succeeding
        throw cni::Failure(cni::not_available, error.what());
    }
}

} // namespace plugin
