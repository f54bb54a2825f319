#include "test/faults/mesh_victim.h"

#include <algorithm>

namespace scene {

namespace {

bool is_of_a_pod(const Json& entry) {
    for (const char* key : {"ifname", "dev"})
        if (const auto name = entry.find(key);
            name != entry.end() && name->get<std::string>().starts_with("veth"))
            return true;
    return false;
}

/// Numbers that the kernel gives to each thing anew.
void forget_numbers(Json& value) {
    if (value.is_object())
        for (const char* key : {"ifindex", "link_index", "link_netnsid", "handle"})
            value.erase(key);
    if (value.is_structured())
        for (Json& part : value)
            forget_numbers(part);
}

} // namespace

Json mesh_of(const Namespace& space) {
    Json state = space.state();
    for (const char* list : {"links", "routes", "neighbours"}) {
        Json kept = Json::array();
        for (const Json& entry : state.at(list))
            if (!is_of_a_pod(entry))
                kept.push_back(entry);
        state[list] = kept;
    }
    Json& sysctls = state.at("sysctls");
    for (auto entry = sysctls.begin(); entry != sysctls.end();)
        entry = entry.key().starts_with("veth") ? sysctls.erase(entry) : std::next(entry);
    forget_numbers(state);
    for (const char* list : {"links", "routes"}) // in the order of their making
        std::sort(state[list].begin(), state[list].end());
    return state;
}

void MeshVictim::learn() {
    kernel_[none] = mesh_of(host().net());
    const Pod pod("model");
    for (const Mesh mesh : {plain, changed}) {
        const Output output = host().call(add(pod, mesh));
        EXPECT_EQ(output.status, 0) << output.out;
        kernel_[mesh] = mesh_of(host().net());
        EXPECT_EQ(host().call(del(pod, mesh)).status, 0);
    }
}

Json MeshVictim::nodes(Mesh mesh) const {
    Json nodes = cluster_.nodes();
    if (mesh == changed) {
        nodes[1]["podCIDRs"] = {"10.10.201.0/24"};
        nodes[1]["tunnelAddresses"] = {"10.10.201.10"};
        nodes[2] = {
            {"name", "new"}, {"addresses", {"172.16.5.200"}}, {"podCIDRs", {"10.10.9.0/24"}}};
    }
    return nodes;
}

Call MeshVictim::call(const char* verb, const Pod& pod, Mesh mesh) const {
    return {.verb = verb,
            .config = Cluster::config(
                nodes(mesh), {{"ipMasq", true}, {"stateDir", host().state_dir().string()}}),
            .container = pod.id,
            .netns = pod.net.path(),
            .own_run = false};
}

Met MeshVictim::strike(Call call, const Strike& strike, const std::vector<int>& watched) const {
    Interception interception(watched);
    interception.arm(strike);
    call.prepare = [&] { interception.begin(); };
    Output output = host().call(call);
    return {.output = std::move(output), .hit = interception.hit()};
}

std::map<int, int> MeshVictim::count(Call call) const {
    Interception interception;
    call.prepare = [&] { interception.begin(); };
    EXPECT_EQ(host().call(call).status, 0);
    return interception.counts();
}

void MeshVictim::require_mesh(Verdict& verdict, Mesh mesh, const std::string& when) const {
    const Json difference = Json::diff(kernel_.at(mesh), mesh_of(host().net()));
    verdict.require(difference.empty(), "the host " + when + " differs by " + difference.dump());
}

void MeshVictim::require_pods(Verdict& verdict, const std::vector<const Pod*>& pods,
                              const std::string& when) const {
    std::set<std::string> wanted;
    for (const Pod* pod : pods)
        wanted.insert(pod->id);
    std::set<std::string> leased;
    std::set<std::string> addresses;
    for (const auto& [address, container] : leases_in(host().state_dir())) {
        leased.insert(container);
        addresses.insert(address);
    }
    verdict.require(leased == wanted, "the leases " + when + ": " + Json(leased).dump());
    std::set<std::string> routed;
    for (const auto& [address, link] : pod_routes(host().net()))
        routed.insert(address);
    verdict.require(routed == addresses, "the pods' routes " + when + ": " + Json(routed).dump() +
                                             " instead of " + Json(addresses).dump());
}

Output MeshVictim::require_success(Verdict& verdict, const Call& call,
                                   const std::string& when) const {
    Output output = host().call(call);
    verdict.require(output.status == 0, call.verb + ' ' + when + ": " + output.out + output.err);
    return output;
}

} // namespace scene
