#include "agent/file_source.h"
#include "agent/interface.h"

#include "agent/confinement.h"
#include "agent/keeper.h"
#include "agent/kube_source.h"
#include "agent/log.h"
#include "agent/mailbox.h"
#include "agent/metrics.h"
#include "agent/reporter.h"
#include "agent/server.h"
#include "ipam/boot_file.h"
#include "netlink/monitor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <malloc.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <system_error>

namespace agent {

namespace {

/// SIGTERM and SIGINT as input. To be made before any thread, so that all of them leave the signals
/// to it.
netlink::Fd signals() {
    std::signal(SIGPIPE, SIG_IGN); // a server that went is an error of the write
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    netlink::Fd fd(::signalfd(-1, &set, SFD_CLOEXEC));
    if (!fd)
        throw std::system_error(errno, std::generic_category(), "cannot hear signals");
    return fd;
}

int milliseconds_until(Keeper::Clock::time_point due) {
    using std::chrono::milliseconds;
    const auto left = std::chrono::ceil<milliseconds>(due - Keeper::Clock::now());
    return static_cast<int>(std::clamp(left, milliseconds(0), milliseconds(60'000)).count());
}

/// Until a signal comes. The network stays as it is then.
void follow(const netlink::Fd& stop, Mailbox& mailbox, netlink::Monitor& monitor, Keeper& keeper,
            const std::function<void()>& looked) {
    for (;;) {
        std::array<pollfd, 4> waits{{{stop.get(), POLLIN, 0},
                                     {mailbox.fd(), POLLIN, 0},
                                     {monitor.route_fd(), POLLIN, 0},
                                     {monitor.nftables_fd(), POLLIN, 0}}};
        if (::poll(waits.data(), waits.size(), milliseconds_until(keeper.due())) < 0 &&
            errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "cannot wait");
        if (waits[0].revents != 0)
            return;
        const auto roster = mailbox.take();
        if (roster)
            keeper.take(*roster);
        const auto news = monitor.take();
        if (news.any)
            keeper.kernel_changed(news.processes);
        const bool is_due = keeper.due() <= Keeper::Clock::now();
        if (is_due)
            keeper.look();
        if (roster || news.any || is_due) // not where a pod came
            looked();
    }
}

/// One agent for a host: two would be at odds. Others see by it that one runs.
netlink::Fd lock_host(const std::filesystem::path& state_dir) {
    if (std::filesystem::create_directories(state_dir))
        std::filesystem::permissions(state_dir, std::filesystem::perms::owner_all);
    ipam::require_private(state_dir);
    const auto path = state_dir / cni::agent_lock_name;
    netlink::Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0)
        return file;
    if (errno == EWOULDBLOCK)
        throw std::runtime_error("another ipipd runs with the state directory " +
                                 state_dir.string() + "; stop it first");
    throw std::system_error(errno, std::generic_category(),
                            "cannot lock " + path.string() + " (stateDir)");
}

/// Nothing hangs on it: where it cannot be done, the user is told.
void keep_fallback_tunnels_on_host() {
    constexpr const char* path = "/proc/sys/net/core/fb_tunnels_only_for_init_net";
    std::ofstream file(path);
    file << "1" << std::flush;
    if (!file)
        log_warning(std::string("--fallback-tunnels-on-host-only: cannot write ") + path +
                    "; run on the host: sysctl -w net.core.fb_tunnels_only_for_init_net=1");
}

/// What follows the API server, and tells it how this host is.
class Cluster {
  public:
    Cluster(const Options& options, std::shared_ptr<KubeCounters> counters)
        : interface_(options.interface),
          address_(interface_.empty() ? ip::Address() : address_of(interface_)),
          config_(options.kubeconfig ? read_kubeconfig(*options.kubeconfig) : in_cluster_config()),
          source_(config_, std::move(counters)), reporter_(config_, options.node_name) {
        log_info("follows the Nodes of " + config_.server + " as " + options.node_name);
    }

    NodeSource& source() { return source_; }

    void tell(const Condition& now, const std::optional<Candidate>& self) {
        NodeReport report;
        if (now.listed) {
            report.network_available = now.ready();
            report.why = now.sentence();
        }
        bool differs = self && now.listed && self->network_available != report.network_available;
        if (!interface_.empty()) {
            address_ = read_address();
            report.address = address_.to_string();
            differs = differs || (self && self->node && self->node->addresses.front() != address_);
        }
        reporter_.tell(report, differs);
    }

  private:
    /// The interface may lose its address for a while, in the hands of DHCP for instance.
    ip::Address read_address() {
        try {
            const ip::Address address = address_of(interface_);
            complained_.clear();
            return address;
        } catch (const std::exception& error) {
            if (std::exchange(complained_, error.what()) != error.what())
                log_warning(complained_ + "; the Node keeps " + address_.to_string());
            return address_;
        }
    }

    std::string interface_;
    ip::Address address_;    ///< of the interface
    std::string complained_; ///< what was said last, of its address
    KubeConfig config_;
    KubeSource source_;
    Reporter reporter_;
};

/// Where the kernel or a runtime has none of it, the network is worth more.
void confine_where_possible() {
#ifndef IPIP_UNCONFINED
    try {
        confine();
    } catch (const std::system_error& error) {
        log_warning(error.what());
    }
#endif
}

void run(const Options& options) {
    confine_where_possible();
    const netlink::Fd stop = signals();
    const netlink::Fd lock = lock_host(options.state_dir());
    for (const std::string& key : options.unknown_keys)
        log_warning(key + ": is unknown, and is ignored; see docs/configuration.md");
    if (options.fallback_tunnels_on_host_only)
        keep_fallback_tunnels_on_host();
    Health health;
    Mailbox mailbox;
    netlink::Monitor monitor;
    Keeper keeper(options, health);
    const auto counters = std::make_shared<KubeCounters>();
    const Server server(options.listen, health,
                        std::make_shared<Metrics>(
                            health, counters, json::Field(options.network).find("name")->string()));
    std::optional<Cluster> cluster;
    std::optional<FileSource> file;
    NodeSource& source = options.nodes_file
                             ? static_cast<NodeSource&>(file.emplace(*options.nodes_file))
                             : cluster.emplace(options, counters).source();
    source.start([&](Roster roster) { mailbox.put(std::move(roster)); });
    follow(stop, mailbox, monitor, keeper, [&] {
        if (cluster)
            cluster->tell(health.now(), keeper.self());
    });
    log_info("ends; the network stays as it is");
}

} // namespace

} // namespace agent

int main(int argc, char** argv) try {
    // What a look at thousands of nodes takes for a moment is to go back to the system: in one heap
    // for all threads, large pieces by themselves, and not after any has grown.
    ::mallopt(M_ARENA_MAX, 1);
    ::mallopt(M_MMAP_THRESHOLD, 256 << 10);
    ::mallopt(M_TRIM_THRESHOLD, 256 << 10);
    agent::Options options;
    if (const auto status = agent::read_options(argc, argv, options))
        return *status;
    if (const auto level = json::Field(options.network).find("logLevel"))
        agent::set_log_level(level->string());
    agent::run(options);
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "ipipd: %s\n", error.what());
    return 1;
}
