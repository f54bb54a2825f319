#include "agent/metrics.h"

#include "agent/log.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "netlink/socket.h"

#include <algorithm>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <set>

namespace agent {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

using Labels = std::vector<ClientMetric::Label>;

class Collection {
  public:
    void add(MetricType type, const std::string& name, const std::string& help, double value,
             Labels labels = {}) {
        if (families_.empty() || families_.back().name != name) {
            MetricFamily family;
            family.name = name;
            family.help = help;
            family.type = type;
            families_.push_back(std::move(family));
        }
        ClientMetric metric;
        metric.label = std::move(labels);
        if (type == MetricType::Gauge)
            metric.gauge.value = value;
        else if (type == MetricType::Counter)
            metric.counter.value = value;
        families_.back().metric.push_back(std::move(metric));
    }
    void summary(const std::string& name, const std::string& help, std::uint64_t count,
                 double sum) {
        add(MetricType::Summary, name, help, 0);
        families_.back().metric.back().summary = {
            .sample_count = count, .sample_sum = sum, .quantile = {}};
    }
    void gauge(const std::string& name, const std::string& help, double value, Labels labels = {}) {
        add(MetricType::Gauge, name, help, value, std::move(labels));
    }
    void counter(const std::string& name, const std::string& help, std::uint64_t value,
                 Labels labels = {}) {
        add(MetricType::Counter, name, help, static_cast<double>(value), std::move(labels));
    }
    std::vector<MetricFamily> take() { return std::move(families_); }

  private:
    std::vector<MetricFamily> families_;
};

void add_condition(Collection& all, const Condition& now) {
    all.gauge("ipip_ready", "1 where /readyz says so", now.ready() ? 1 : 0);
    all.gauge("ipip_peers_wanted", "Nodes to which a tunnel is to stand",
              static_cast<double>(now.peers));
    all.gauge("ipip_nodes_waiting", "Nodes without address or pod CIDR yet",
              static_cast<double>(now.waiting));
    all.gauge("ipip_nodes_refused", "Nodes that are wrong or clash with another",
              static_cast<double>(now.refused));
    all.gauge("ipip_nodes_left_out", "Nodes whose tunnel something on this host is in the way of",
              static_cast<double>(now.left_out));
    all.counter("ipip_reconcile_failures_total", "Looks that ended in an error", now.failures);
    all.summary("ipip_reconcile_seconds", "How long looks took", now.looks, now.seconds);
    all.gauge("ipip_addresses_used", "Pod addresses that are leased",
              static_cast<double>(now.addresses_used));
    all.gauge("ipip_addresses_free", "Pod addresses of this node that are not",
              static_cast<double>(now.addresses_free));
    all.counter("ipip_addresses_freed_total", "Leases of pods that were gone", now.freed);
    for (const auto& [kind, count] : now.repairs)
        all.counter("ipip_repairs_total", "What others changed and was put right, by kind", count,
                    {{"kind", kind}});
}

void add_kube(Collection& all, const KubeCounters& kube) {
    all.counter("ipip_kube_lists_total", "Lists of all Nodes", kube.lists);
    all.counter("ipip_kube_watches_total", "Watches begun", kube.watches);
    all.counter("ipip_kube_failures_total", "Requests that failed or broke off", kube.failures);
    all.counter("ipip_kube_events_total", "Events of Nodes", kube.events);
}

/// Of the network's tunnels.
std::vector<netlink::Traffic> traffic_of(const std::string& network) {
    netlink::Socket route;
    auto tunnels = netlink::dump_traffic(route, "ipip");
    std::erase_if(tunnels, [&](const netlink::Traffic& tunnel) {
        return !tunnel.alias.starts_with(network + '/');
    });
    return tunnels;
}

/// The peers that are reached by a device to all.
std::size_t count_gateways(int device) {
    netlink::Socket route;
    std::set<ip::Address> gateways;
    for (const netlink::Route& way : netlink::dump_own_routes(route, ip::Family::v4))
        if (way.link == device && way.gateway)
            gateways.insert(*way.gateway);
    return gateways.size();
}

std::size_t count_standing(const std::vector<netlink::Traffic>& tunnels) {
    std::size_t count = 0;
    for (const netlink::Traffic& tunnel : tunnels)
        if (tunnel.up)
            count += tunnel.to_all ? count_gateways(tunnel.index) : 1;
    return count;
}

struct PeerFamily {
    const char* name;
    const char* help;
    std::uint64_t netlink::Traffic::*member;
};
constexpr PeerFamily peer_families[] = {
    {"ipip_peer_received_packets_total", "Packets from the peer",
     &netlink::Traffic::received_packets},
    {"ipip_peer_received_bytes_total", "Bytes from the peer", &netlink::Traffic::received_bytes},
    {"ipip_peer_sent_packets_total", "Packets to the peer", &netlink::Traffic::sent_packets},
    {"ipip_peer_sent_bytes_total", "Bytes to the peer", &netlink::Traffic::sent_bytes},
    {"ipip_peer_errors_total", "Packets from or to the peer that failed",
     &netlink::Traffic::errors},
    {"ipip_peer_drops_total", "Packets from or to the peer that were dropped",
     &netlink::Traffic::drops}};

std::string text_of(Collection collection) {
    return prometheus::TextSerializer().Serialize(collection.take());
}

/// Some at a time, as each of thousands of peers takes a multiple of its line before it is one.
void append_family(std::string& text, const PeerFamily& family, const std::string& network,
                   const std::vector<netlink::Traffic>& tunnels) {
    constexpr std::size_t portion = 500;
    for (std::size_t i = 0; i < tunnels.size();) {
        const bool is_first = i == 0;
        Collection some;
        for (const std::size_t end = std::min(i + portion, tunnels.size()); i < end; ++i)
            some.counter(family.name, family.help, tunnels[i].*family.member,
                         {{"peer", tunnels[i].alias.substr(network.size() + 1)}});
        const std::string lines = text_of(std::move(some));
        // A family has one head, which is "# HELP ..." and "# TYPE ...".
        text += is_first ? lines : lines.substr(lines.find('\n', lines.find('\n') + 1) + 1);
    }
}

std::string text_of_tunnels(const std::string& network) {
    const auto tunnels = traffic_of(network);
    Collection standing;
    standing.gauge("ipip_peers_standing", "Peers to which a tunnel that is up leads",
                   static_cast<double>(count_standing(tunnels)));
    std::string text = text_of(std::move(standing));
    constexpr std::size_t usual_line = 72;
    text.reserve(text.size() + tunnels.size() * std::size(peer_families) * usual_line);
    for (const PeerFamily& family : peer_families)
        append_family(text, family, network, tunnels);
    return text;
}

} // namespace

std::string Metrics::text() const {
    Collection all;
    all.gauge("ipip_build_info", "The version that runs", 1, {{"version", IPIP_VERSION}});
    add_condition(all, health_.now());
    add_kube(all, *kube_);
    std::string text = text_of(std::move(all));
    try {
        text += text_of_tunnels(network_);
    } catch (const std::exception& error) { // the others are told all the same
        log_warning(std::string("metrics: ") + error.what());
    }
    return text;
}

} // namespace agent
