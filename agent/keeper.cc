#include "agent/keeper.h"

#include "agent/log.h"
#include "cni/error.h"
#include "ipam/range.h"
#include "mesh/lock.h"
#include "mesh/settings.h"
#include "netlink/address.h"
#include "netlink/link.h"
#include "plugin/recover.h"
#include "pods/audit.h"
#include "pods/mend.h"
#include "pods/recovery.h"

#include <algorithm>
#include <utility>

namespace agent {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds gathering{50}; // of news that comes together
constexpr seconds period{30};         // without any news
constexpr milliseconds first_backoff{500};
constexpr milliseconds longest_backoff{30'000};

/// What was repaired, in a word, for the metrics.
std::string kind_of(const std::string& line) {
    for (const char* kind : {"tunnel", "address", "nftables", "forwarding", "route", "link"})
        if (line.find(kind) != line.npos)
            return kind;
    return "other";
}

/// How many pods the node has IPv4 addresses for.
std::uint64_t pod_addresses(const mesh::Node& node) {
    std::uint64_t count = 0;
    for (const ip::Cidr& cidr : node.pod_cidrs) {
        const ipam::Range range = ipam::usable(cidr);
        count += (std::uint64_t{1} << (cidr.network().bits() - cidr.length())) - 2;
        count -= static_cast<std::uint64_t>(
            std::ranges::count_if(node.tunnel_addresses, [&](const ip::Address& endpoint) {
                return ipam::contains(range, endpoint);
            }));
    }
    return count;
}

/// "172.16.5.126 on eth0".
std::string place_of(netlink::Socket& route, const ip::Address& address) {
    for (const auto& entry : netlink::dump_addresses(route, address.family()))
        if (entry.local == address)
            if (const auto reply = route.find(netlink::get_link(entry.link)))
                return address.to_string() + " on " + netlink::to_link(reply).name;
    return address.to_string() + ", which no interface of this host has";
}

} // namespace

Keeper::Keeper(const Options& options, Health& health)
    : options_(options), health_(health), state_dir_(options.state_dir()),
      nodes_file_(state_dir_ / cni::nodes_file_name),
      settings_(mesh::read_settings(json::Field(options.network),
                                    json::Field(options.network).find("name")->string())),
      installation_(options), due_(Clock::time_point::max()) {
    resume();
}

void Keeper::resume() {
    const std::filesystem::path& path = nodes_file_.path();
    try {
        auto left = nodes_file_.read();
        if (!left || left->self != options_.node_name) // it is of another time
            return;
        auto& nodes = left->nodes;
        for (mesh::Node& node : left->left_out) {
            std::erase_if(nodes, [&](const auto& had) { return had.name == node.name; });
            nodes.push_back(std::move(node)); // it may be possible now
        }
        std::ranges::sort(nodes, {}, &mesh::Node::name);
        log_info("goes on with the " + std::to_string(nodes.size()) + " nodes of " + path.string() +
                 " until the cluster's are known");
        admission_ = mesh::Admission(nodes);
        want(std::move(nodes));
    } catch (const std::exception& error) {
        log_warning(path.string() + " is of no use and will be replaced: " + error.what());
    }
}

void Keeper::want(std::vector<mesh::Node> nodes) {
    if (feasible_.want(std::move(nodes)))
        note_change();
}

void Keeper::note_change() {
    changed_ = true;
    backoff_ = milliseconds(0);
    look_by(gathering);
}

void Keeper::take(const Roster& roster) {
    mesh::Admission::Ballot ballot{.candidates = {},
                                   .self = options_.node_name,
                                   .silent = {},
                                   .annotated = {},
                                   .unusable = {}};
    for (const Candidate& candidate : roster) {
        if (candidate.node)
            ballot.candidates.push_back(*candidate.node);
        else
            ballot.unusable.insert(candidate.name);
        if (candidate.silent)
            ballot.silent.insert(candidate.name);
        if (candidate.annotated)
            ballot.annotated.insert(candidate.name);
    }
    auto verdict = admission_.decide(ballot);
    note_self(roster);
    note_problems(roster, verdict);
    want(std::move(verdict.nodes));
}

void Keeper::note_self(const Roster& roster) {
    const auto found = std::ranges::find(roster, options_.node_name, &Candidate::name);
    self_ = found == roster.end() ? std::nullopt : std::optional(*found);
}

/// Says what is new about the nodes that are none of the mesh, once.
void Keeper::note_problems(const Roster& roster, const mesh::Admission::Verdict& verdict) {
    std::map<std::string, std::string> problems = verdict.refused;
    std::set<std::string> waiting;
    for (const Candidate& candidate : roster)
        if (!candidate.node) {
            problems.emplace(candidate.name, candidate.waits_for);
            if (!candidate.wrong)
                waiting.insert(candidate.name);
        }
    for (const auto& [name, why] : problems)
        if (const auto said = problems_.find(name);
            said == problems_.end() || said->second != why) {
            const std::string line = "node " + name + ": " + why;
            waiting.contains(name) ? log_info(line) : log_warning(line);
        }
    const auto self = problems.find(options_.node_name);
    health_.change([&](Condition& condition) {
        condition.listed = true;
        condition.waiting = waiting.size();
        condition.refused = problems.size() - waiting.size();
        condition.self_known = std::ranges::any_of(verdict.nodes, [&](const mesh::Node& node) {
            return options_.node_name.empty() || node.name == options_.node_name;
        });
        if (!condition.self_known)
            condition.trouble =
                "node " + options_.node_name + ' ' +
                (self == problems.end() ? "is not among the cluster's Nodes" : self->second);
    });
    problems_ = std::move(problems);
}

void Keeper::kernel_changed(const std::set<int>& processes) {
    opponents_.suspect(processes, Clock::now());
    if (backoff_ == milliseconds(0)) // else it is waited for already, with good reason
        look_by(gathering);
}

void Keeper::look_by(milliseconds time) {
    due_ = std::min(due_, Clock::now() + time);
}

std::optional<std::string> Keeper::self_name() const {
    return options_.node_name.empty() ? std::nullopt : std::optional(options_.node_name);
}

void Keeper::look() {
    const auto start = Clock::now();
    due_ = start + period;
    const milliseconds backoff_before = std::exchange(backoff_, milliseconds(0));
    if (feasible_.try_again(start))
        changed_ = true;
    if (feasible_.nodes().empty() || (health_.now().listed && !health_.now().self_known))
        return; // what stands from before stays
    try {
        keep();
        health_.change([](Condition& condition) { condition.stands = true; });
        do_chores();
    } catch (const std::exception& error) {
        backoff_ = std::clamp(backoff_before * 2, first_backoff, longest_backoff);
        due_ = start + backoff_;
        fail(error.what());
    }
    health_.change([&](Condition& condition) {
        ++condition.looks;
        condition.left_out = feasible_.left_out().size();
        condition.peers = feasible_.wanted() - 1;
        condition.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    });
}

/// What is to be done while the mesh stands. Where that fails it is tried again, later and later,
/// but the tunnels are mended as fast as ever.
void Keeper::do_chores() {
    try {
        cni::Failures failures; // of one, which is no reason to leave the other
        failures.attempt([&] { audit(); });
        failures.attempt([&] { install(); });
        failures.report();
        chores_backoff_ = milliseconds(0);
        health_.change([](Condition& condition) { condition.trouble.clear(); });
    } catch (const std::exception& error) {
        chores_backoff_ = std::clamp(chores_backoff_ * 2, first_backoff, longest_backoff);
        if (backoff_ == milliseconds(0)) // else there is good reason to wait
            look_by(chores_backoff_);
        fail(error.what());
    }
}

void Keeper::fail(const std::string& why) {
    const bool is_new = health_.now().trouble != why;
    health_.change([&](Condition& condition) {
        ++condition.failures;
        condition.trouble = why;
    });
    if (is_new)
        log_error(why + "; what stands stays, and it is tried again");
}

void Keeper::keep() {
    if (changed_)
        return make();
    if (!nodes_file_.is_as_written())
        return restore_nodes_file();
    std::vector<std::string> wrongs;
    try {
        wrongs = mesh::inspect(route_, feasible_.nodes(), self_name(), settings_).wrongs;
    } catch (const mesh::Conflict& conflict) { // which came in the way of what stood
        if (leave_out(conflict))
            return make();
        health_.change([](Condition& condition) { condition.stands = false; });
        throw;
    } catch (const json::FieldError&) { // this host is none of the nodes any more
        health_.change([](Condition& condition) { condition.stands = false; });
        throw;
    }
    if (!wrongs.empty())
        repair(wrongs);
}

/// While a mesh is made anew what stood goes on standing; only where that fails nobody knows. A
/// node that this host cannot have keeps none of the others from it.
mesh::Reconciled Keeper::enforce() {
    while (true) {
        try {
            return mesh::enforce(
                route_,
                {.cluster = mesh::Cluster({.nodes = feasible_.nodes(), .self = self_name()}),
                 .settings = settings_,
                 .state_dir = state_dir_},
                [this] {
                    return nodes_file_.write(feasible_.nodes(), feasible_.left_out(),
                                             options_.node_name);
                });
        } catch (const std::exception& error) {
            const auto* conflict = dynamic_cast<const mesh::Conflict*>(&error);
            if (conflict != nullptr && leave_out(*conflict))
                continue;
            health_.change([](Condition& condition) { condition.stands = false; });
            throw;
        }
    }
}

/// Whether there is something to go on without.
bool Keeper::leave_out(const mesh::Conflict& conflict) {
    const auto lines = feasible_.leave_out(conflict, Clock::now());
    for (const std::string& line : lines)
        log_error(line);
    changed_ = changed_ || !lines.empty();
    return !lines.empty();
}

void Keeper::make() {
    const mesh::Reconciled made = enforce();
    for (const std::string& line : made.changes)
        log_info(line);
    const mesh::Node& own = feasible_.nodes()[made.self];
    if (own.addresses != own_.addresses)
        for (const ip::Address& address : own.addresses)
            log_info("the underlay is " + place_of(route_, address) + ", by " +
                     (self_ ? self_->address_from : "the nodes file"));
    own_ = own;
    changed_ = false;
}

/// Without it, or with another's, every ADD fails, however well the mesh stands.
void Keeper::restore_nodes_file() {
    make();
    const std::string line =
        "wrote " + nodes_file_.path().string() + " anew, which someone had changed";
    health_.change([&](Condition& condition) { ++condition.repairs[kind_of(line)]; });
    log_warning("repaired: " + line);
}

void Keeper::repair(const std::vector<std::string>& wrongs) {
    for (const std::string& wrong : wrongs)
        log_warning("found that " + wrong);
    const auto changes = enforce().changes;
    health_.change([&](Condition& condition) { // counted before it is said, here and below
        for (const std::string& wrong : wrongs)
            ++condition.repairs[kind_of(wrong)];
    });
    for (const std::string& line : changes)
        log_warning("repaired: " + line);
    break_off_fight(wrongs);
}

/// Waits, where these repairs are some of too many.
void Keeper::break_off_fight(const std::vector<std::string>& repairs) {
    if (repairs.empty())
        return;
    const auto opponent = opponents_.note_repair(repairs, Clock::now());
    if (!opponent)
        return;
    log_error("our repairs are undone again and again (" + repairs.front() + "), by " + *opponent +
              "; make it leave our devices alone. The next repair comes in half a minute");
    backoff_ = longest_backoff;
    due_ = Clock::now() + longest_backoff;
}

/// The pods and their leases, which are made anew where they are damaged.
void Keeper::audit() {
    try {
        audit_pods();
    } catch (const ipam::DamagedStore& damage) {
        log_warning(plugin::recover_leases(state_dir_, damage));
        audit_pods();
    }
}

/// What the mesh's loss took from pods that run, and what pods that are gone left behind.
void Keeper::audit_pods() {
    ipam::Store store = pods::open_leases(route_, state_dir_);
    const pods::Mended all_pods{settings_.network, own_.tunnel_addresses};
    pods::Mending mending;
    if (pods::need_mending(store, route_, all_pods)) {
        const auto no_adds = mesh::shut(state_dir_);
        mending = pods::mend(store, route_, all_pods);
    }
    store.amend_times(settings_.network);
    const auto abandoned = free_abandoned(store);
    const std::uint64_t used = store.leases(settings_.network).size();
    const std::uint64_t all = pod_addresses(own_);
    health_.change([&](Condition& condition) {
        for (const std::string& line : mending.done)
            ++condition.repairs[kind_of(line)];
        condition.freed += abandoned.size();
        condition.addresses_used = used;
        condition.addresses_free = all - std::min(all, used);
    });
    for (const std::string& line : mending.done)
        log_warning("repaired: " + line);
    for (const std::string& line : mending.in_the_way)
        if (std::ranges::find(in_pods_way_, line) == in_pods_way_.end())
            log_error(line);
    in_pods_way_ = std::move(mending.in_the_way);
    break_off_fight(mending.done);
    for (const auto& [address, owner, since] : abandoned)
        log_warning("freed " + address.to_string() + ", leased to interface " + owner.interface +
                    " of container " + owner.container + ", whose link is gone");
}

/// Frees the leases of pods that are gone, while no ADD is between lease and link: how old a lease
/// is need not be true, where an ADD runs by another clock than this one. Returns them.
std::vector<ipam::Lease> Keeper::free_abandoned(ipam::Store& store) {
    if (pods::abandoned(store, route_, settings_.network).empty())
        return {};
    const auto no_adds = mesh::shut(state_dir_);
    auto abandoned = pods::abandoned(store, route_, settings_.network);
    std::erase_if(abandoned, [&](const ipam::Lease& lease) { return !store.release(lease); });
    return abandoned;
}

void Keeper::install() {
    for (const std::string& line : installation_.complete())
        log_info(line);
    health_.change([](Condition& condition) { condition.installed = true; });
    auto rivals = installation_.rivals();
    for (const std::string& rival : rivals)
        if (std::ranges::find(rivals_, rival) == rivals_.end())
            log_warning(rival + " comes before " + cni::conflist_name +
                        " by name, and runtimes take the first; remove it");
    rivals_ = std::move(rivals);
    for (const std::string& line : installation_.tell_network_managers())
        log_info(line);
}

} // namespace agent
