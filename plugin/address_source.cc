#include "plugin/address_source.h"

#include "cni/delegate.h"
#include "cni/log.h"
#include "netlink/route.h"
#include "pods/audit.h"

#include <algorithm>

namespace plugin {

namespace {

bool is_inside(const ipam::Range& range, const std::vector<ip::Cidr>& blocks) {
    return std::ranges::any_of(blocks, [&](const ip::Cidr& block) {
        return block.contains(range.first) && block.contains(range.last);
    });
}

std::string describe(const std::vector<ip::Cidr>& blocks) {
    std::string text;
    for (const ip::Cidr& block : blocks)
        text.append(text.empty() ? "" : ", ").append(block.to_string());
    return text;
}

/// All pod CIDRs of a family are one set.
std::vector<ipam::RangeSet> sets_of_node(const mesh::Node& self) {
    std::vector<ipam::RangeSet> sets;
    for (const ip::Family family : {ip::Family::v4, ip::Family::v6}) {
        ipam::RangeSet set;
        for (const ip::Cidr& cidr : self.pod_cidrs)
            if (cidr.family() == family)
                set.push_back(ipam::usable(cidr, self.tunnel_addresses));
        if (!set.empty())
            sets.push_back(std::move(set));
    }
    return sets;
}

/// The configured ranges, which must lie where the other nodes' routes lead.
std::vector<ipam::RangeSet> sets_of_config(const Config& config, const mesh::Node& self) {
    for (const ipam_plugin::SubnetSet& set : config.sets)
        for (const ipam_plugin::Subnet& subnet : set)
            if (!is_inside(subnet.range, self.pod_cidrs))
                throw json::FieldError(subnet.path + ": " + subnet.block.to_string() +
                                       " is outside of this node's podCIDRs (" +
                                       describe(self.pod_cidrs) + "); name a range inside");
    auto sets = ipam_plugin::to_ranges(config.sets);
    for (ipam::RangeSet& set : sets)
        for (ipam::Range& range : set)
            range.reserved.insert(range.reserved.end(), self.tunnel_addresses.begin(),
                                  self.tunnel_addresses.end());
    return sets;
}

std::vector<ipam::RangeSet> sets_for(const Config& config, const mesh::Node& self) {
    return config.sets.empty() ? sets_of_node(self) : sets_of_config(config, self);
}

/// Frees those. Returns whether there were any.
bool free_abandoned(ipam::Store& store, netlink::Socket& host, const std::string& network) {
    store.amend_times(network);
    const auto leases = pods::abandoned(store, host, network);
    for (const ipam::Lease& lease : leases)
        if (store.release(lease)) // else an ADD has come back for it
            cni::log_warning("freed " + lease.address.to_string() + ", leased to interface " +
                             lease.owner.interface + " of container " + lease.owner.container +
                             ", whose link is gone");
    return !leases.empty();
}

/// Store::allocate(), once more where what stood in its way could be freed.
ipam::Store::Allocation allocate(ipam::Store& store, netlink::Socket& host,
                                 const ipam::Owner& owner, const ipam::Store::Wish& wish) {
    try {
        return store.allocate(owner, wish);
    } catch (const ipam::Exhausted&) {
        if (!free_abandoned(store, host, owner.network))
            throw;
    } catch (const ipam::Unavailable&) {
        if (!free_abandoned(store, host, owner.network))
            throw;
    }
    return store.allocate(owner, wish);
}

class OwnModule : public AddressSource {
  public:
    OwnModule(ipam::Store& store, netlink::Socket& host) : store_(store), host_(host) {}

    bool wants_link() const override { return false; }

    Given take(const ipam::Owner& owner, const Config& config, const mesh::Node& self) override {
        const ipam::Store::Wish wish{.sets = sets_for(config, self),
                                     .requested = config.requested,
                                     // The kernel has the last word on whether an address is free.
                                     .in_use = [&](const ip::Address& address) {
                                         return netlink::is_host_route(host_, address);
                                     }};
        auto allocation = allocate(store_, host_, owner, wish);
        return {.addresses = std::move(allocation.addresses),
                .routes = config.routes,
                .dns = nullptr,
                .adopted = allocation.adopted};
    }

    void give_back() override {}

    void check() const override {}
    void collect_garbage() const override {}
    void require_available(const Config& config, const mesh::Node& self) const override {
        try {
            store_.require_free(config.identity.network, sets_for(config, self));
        } catch (const ipam::Exhausted&) {
            // Those the next ADD frees.
            if (pods::abandoned(store_, host_, config.identity.network).empty())
                throw;
        }
    }

  private:
    ipam::Store& store_;
    netlink::Socket& host_;
};

class OtherPlugin : public AddressSource {
  public:
    OtherPlugin(cni::Delegate delegate, const cni::Call& call, ipam::Store& store,
                netlink::Socket& host)
        : delegate_(std::move(delegate)), call_(call), store_(store), host_(host) {}

    bool wants_link() const override { return true; }

    Given take(const ipam::Owner& owner, const Config&, const mesh::Node& self) override {
        try {
            const json::Value document = run(cni::Verb::add);
            const cni::Result result = read(document);
            Given given{.addresses = {}, .routes = result.routes, .dns = result.dns};
            for (const cni::Result::Address& entry : result.addresses) {
                require_usable(entry.address, self, given.addresses);
                given.addresses.push_back(entry.address);
            }
            lease(owner, given.addresses);
            return given;
        } catch (...) {
            cni::Failures ignored; // the first cause is the one to report
            ignored.attempt([&] { give_back(); });
            ignored.attempt([&] { store_.release(owner); });
            throw;
        }
    }

    void give_back() override { run(cni::Verb::del); }

    void check() const override { run(cni::Verb::check); }
    void collect_garbage() const override { run(cni::Verb::gc); }
    void require_available(const Config&, const mesh::Node&) const override {
        run(cni::Verb::status);
    }

  private:
    json::Value run(cni::Verb verb) const { return delegate_.call(verb, call_.config.value()); }

    cni::Result read(const json::Value& document) const {
        try {
            cni::Result result = cni::read_result(json::Field(document), call_.version);
            if (result.addresses.empty())
                throw json::FieldError("ips: holds no address");
            return result;
        } catch (const json::FieldError& error) {
            throw cni::Failure(cni::delegate_failed,
                               "the plugin " + delegate_.program() +
                                   " gave no result that can be used: " + error.what());
        }
    }

    void require_usable(const ip::Address& address, const mesh::Node& self,
                        const std::vector<ip::Address>& before) const {
        const auto refuse = [&](const std::string& why) {
            throw json::FieldError("ipam: the plugin " + delegate_.program() + " gave " +
                                   address.to_string() + ", which " + why);
        };
        if (std::ranges::none_of(self.pod_cidrs,
                                 [&](const ip::Cidr& cidr) { return cidr.contains(address); }))
            refuse("is outside of this node's podCIDRs (" + describe(self.pod_cidrs) +
                   "), where no other node's routes lead; give it a range inside");
        if (std::ranges::find(self.tunnel_addresses, address) != self.tunnel_addresses.end())
            refuse("is the node's tunnel endpoint; leave that out of its range");
        if (std::ranges::find(before, address) != before.end())
            refuse("is twice in its result; give it ranges that do not overlap");
    }

    /// From now on nobody else has them, and GC knows of them.
    void lease(const ipam::Owner& owner, const std::vector<ip::Address>& addresses) {
        ipam::Store::Wish wish{.sets = {}, .requested = addresses};
        for (const ip::Address& address : addresses)
            wish.sets.push_back({{address, address, {}}});
        try {
            allocate(store_, host_, owner, wish);
        } catch (const ipam::Unavailable& error) {
            throw ipam::Unavailable("the plugin " + delegate_.program() +
                                    " gave an address that cannot be had: " + error.what());
        }
    }

    cni::Delegate delegate_;
    const cni::Call& call_;
    ipam::Store& store_;
    netlink::Socket& host_;
};

} // namespace

std::unique_ptr<AddressSource> make_address_source(const cni::Call& call, ipam::Store& store,
                                                   netlink::Socket& host) {
    if (const auto type = read_delegate(call.config))
        return std::make_unique<OtherPlugin>(cni::Delegate(*type, call.environment.path), call,
                                             store, host);
    return std::make_unique<OwnModule>(store, host);
}

} // namespace plugin
