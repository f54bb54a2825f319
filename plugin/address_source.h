#pragma once

#include "cni/result.h"
#include "cni/run.h"
#include "ipam/store.h"
#include "mesh/nodes.h"
#include "netlink/socket.h"
#include "plugin/config.h"

#include <memory>
#include <vector>

namespace plugin {

/// Where the pods' addresses come from: the own IPAM module in this process, or another plugin. In
/// both cases the store has a lease for each attachment.
class AddressSource {
  public:
    struct Given {
        std::vector<ip::Address> addresses;
        std::vector<cni::Result::Route> routes; ///< none: the default route of each family
        json::Value dns;                        ///< null: none
        bool adopted = false; ///< the owner had all of it before, and only DEL takes it
    };

    virtual ~AddressSource() = default;

    /// Whether it wants to find the pod's link up before it gives anything, as a DHCP client does.
    virtual bool wants_link() const = 0;

    /// What it throws leaves nothing taken.
    virtual Given take(const ipam::Owner& owner, const Config& config, const mesh::Node& self) = 0;
    /// Tells another plugin that the addresses are no longer needed; the store's lease is the
    /// caller's, to be released once the pod's link is gone. Nothing held is no error.
    virtual void give_back() = 0;

    // CHECK, GC and STATUS beyond the store's leases.
    virtual void check() const = 0;
    virtual void collect_garbage() const = 0;
    virtual void require_available(const Config& config, const mesh::Node& self) const = 0;
};

/// As the configuration's `ipam` says. All three must outlive it. Throws json::FieldError,
/// cni::Failure where the other plugin is not installed.
std::unique_ptr<AddressSource> make_address_source(const cni::Call& call, ipam::Store& store,
                                                   netlink::Socket& host);

} // namespace plugin
