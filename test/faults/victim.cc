#include "test/faults/victim.h"

#include "ipam/store.h"

#include <cstdlib>

namespace scene {

namespace {

Json config_for(const Cluster& cluster, Victim::Kind kind) {
    Json nodes = cluster.nodes();
    if (kind == Victim::Kind::full)
        nodes[0]["podCIDRs"] = {"10.10.100.8/30"}; // .9, and .10 that is the endpoint
    return Json::parse(Cluster::config(nodes, {{"ipMasq", true}}));
}

std::string show(const Leases& leases) {
    return Json(leases).dump();
}

} // namespace

void Verdict::require(bool holds, const std::string& otherwise) {
    if (!holds)
        text_ += otherwise + '\n';
}

void Verdict::require(const ::testing::AssertionResult& result, const std::string& otherwise) {
    if (!result)
        text_ += otherwise + ": " + result.message() + '\n';
}

int number_of(const char* variable, int otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::atoi(text);
}

int fault_peers() {
    return number_of("IPIP_FAULT_PEERS", 0);
}

Leases leases_in(const std::filesystem::path& state_dir) {
    Leases found;
    if (!std::filesystem::exists(state_dir))
        return found;
    for (const ipam::Lease& lease : ipam::Store(state_dir).leases("podnet"))
        found.emplace(lease.address.to_string(), lease.owner.container);
    return found;
}

std::map<std::string, std::string> pod_routes(const Namespace& space) {
    std::map<std::string, std::string> found;
    for (const Json& route : space.json("ip -j route show protocol 94"))
        if (const std::string device = route.value("dev", ""); device.starts_with("veth"))
            found.emplace(route.at("dst"), device);
    return found;
}

std::set<std::string> pod_links(const Namespace& space) {
    std::set<std::string> found;
    for (const Json& link : space.json("ip -j link show type veth"))
        if (const std::string name = link.value("ifname", ""); name.starts_with("veth"))
            found.insert(name);
    return found;
}

Victim::Victim(Kind kind)
    : kind_(kind), cluster_(1 + fault_peers()), config_(config_for(cluster_, kind)),
      inside_(resident_.net.state()) {
    if (kind_ != Kind::empty)
        resident_result_ = host().add(resident_, config_.dump());
    if (kind_ == Kind::damaged)
        host().net().ip("route delete " + address_of(resident_result_) + "/32\n");
    before_ = host().net().state();
    leases_ = leases();
}

Call Victim::call(const char* verb, const Pod& pod) const {
    return {.verb = verb, .config = config_.dump(), .container = pod.id, .netns = pod.net.path()};
}

Call Victim::check(const Pod& pod, const Json& result) const {
    Call check = call("CHECK", pod);
    Json config = config_;
    config["prevResult"] = result;
    check.config = config.dump();
    return check;
}

Call Victim::gc() const {
    Json config = config_;
    config["cni.dev/valid-attachments"] = Json::array();
    if (kind_ != Kind::empty)
        config["cni.dev/valid-attachments"].push_back(
            {{"containerID", resident_.id}, {"ifname", "eth0"}});
    return {.verb = "GC", .config = config.dump(), .container = {}, .netns = {}};
}

Call Victim::status() const {
    return {.verb = "STATUS", .config = config_.dump(), .container = {}, .netns = {}};
}

void Victim::require_untouched(Verdict& verdict, const std::string& when) const {
    verdict.require(is_unchanged(host().net(), before_), "the host " + when);
    const Leases now = leases();
    verdict.require(now == leases_,
                    "the leases " + when + ": " + show(now) + " instead of " + show(leases_));
    std::error_code none; // before the first call there is no directory
    for (const auto& entry : std::filesystem::directory_iterator(host().state_dir(), none))
        verdict.require(entry.path().extension() != ".broken", "taken for damaged " + when);
}

void Victim::require_untouched(Verdict& verdict, const Pod& pod, const std::string& when) const {
    require_untouched(verdict, when);
    verdict.require(is_unchanged(pod.net, inside_), "the pod " + when);
}

void Victim::require_attached(Verdict& verdict, const Pod& pod, const Output& output,
                              const std::string& when) const {
    const Json result = Json::parse(output.out, nullptr, false);
    if (output.status != 0 || !result.is_object()) {
        verdict.require(false, "ADD " + when + ": " + output.out);
        return;
    }
    require_success(verdict, check(pod, result), when);
    Leases wanted = leases_;
    wanted[address_of(result)] = pod.id;
    verdict.require(wanted.size() == leases_.size() + 1, address_of(result) + " is given twice");
    const Leases now = leases();
    verdict.require(now == wanted,
                    "the leases " + when + ": " + show(now) + " instead of " + show(wanted));
}

Output Victim::require_success(Verdict& verdict, const Call& call, const std::string& when) const {
    Output output = host().call(call);
    verdict.require(output.status == 0, call.verb + ' ' + when + ": " + output.out);
    return output;
}

void Victim::require_lease_where_linked(Verdict& verdict, const Pod& pod, const std::string& link,
                                        const std::string& when) const {
    if (!pod_links(host().net()).contains(link))
        return;
    for (const auto& [address, container] : leases())
        if (container == pod.id)
            return;
    verdict.require(false, "the address is free while " + link + " stands, " + when);
}

void require_told(Verdict& verdict, const Output& output) {
    const Refused refused = refusal_of(output);
    verdict.require(refused.code != 0 && !refused.message.empty(),
                    "exit status " + std::to_string(output.status) +
                        " without an error: " + output.out + output.err);
}

} // namespace scene
