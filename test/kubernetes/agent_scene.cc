#include "test/kubernetes/agent_scene.h"

#include "test/kubernetes/manifest.h"

#include <fstream>

namespace scene {

namespace {

const std::filesystem::path manifest = IPIP_SOURCE_DIR "/manifests/install.yaml";

} // namespace

AgentsInCluster::AgentsInCluster() {
    apply_manifest(admin(), manifest);
}

AgentsInCluster::~AgentsInCluster() {
    agents_.clear();
    Words paths;
    for (const std::string& name : made_)
        paths.push_back(nodes_path + '/' + name);
    admin().remove_all(paths);
}

NodeSpec AgentsInCluster::spec(int number) const {
    const Json entry = cluster.nodes().at(static_cast<std::size_t>(number - 1));
    return {.name = entry.at("name"),
            .addresses = entry.at("addresses"),
            .pod_cidrs = entry.at("podCIDRs")};
}

void AgentsInCluster::create(const NodeSpec& spec) {
    admin().create(nodes_path, node_object(spec));
    made_.insert(spec.name);
}

void AgentsInCluster::create(const std::vector<NodeSpec>& specs) {
    std::vector<Json> objects;
    for (const NodeSpec& spec : specs) {
        objects.push_back(node_object(spec));
        made_.insert(spec.name);
    }
    admin().create_all(nodes_path, objects);
}

void AgentsInCluster::remove(const std::string& name) {
    admin().remove(nodes_path + '/' + name);
    made_.erase(name);
}

void AgentsInCluster::change(const std::string& name, const Json& changes,
                             const std::string& part) {
    admin().merge(nodes_path + '/' + name + part, changes);
}

std::string AgentsInCluster::unavailable(const std::string& name) const {
    const Json found = condition(node(name), "NetworkUnavailable");
    return found.is_null() ? "" : found.at("status").get<std::string>();
}

std::filesystem::path AgentsInCluster::write_kubeconfig(int number, const std::string& text) const {
    const auto path = cluster.host(number).folder() / "kubeconfig";
    std::ofstream(path) << text;
    return path;
}

void AgentsInCluster::start(int number, const Words& more) {
    const auto kubeconfig = cluster.host(number).folder() / "kubeconfig";
    if (!exists(kubeconfig)) // else it has one, also while no server is there to give it another
        write_kubeconfig(number, plane().kubeconfig(account()));
    Words options{"--kubeconfig", kubeconfig.string(),
                  "--node-name",  "host" + std::to_string(number),
                  "--ip-masq",    "true"};
    options.insert(options.end(), more.begin(), more.end());
    agents_[number] = std::make_unique<Agent>(cluster.host(number), options);
}

void AgentsInCluster::stop(int number, int signal) {
    agent(number).stop(signal);
    agents_.erase(number);
}

std::set<std::string> AgentsInCluster::tunnels() {
    std::set<std::string> found;
    for (const Json& link : cluster.host(1).net().json("ip -j -d link show type ipip up"))
        if (const std::string alias = link.value("ifalias", ""); alias.starts_with("podnet/"))
            found.insert(alias.substr(7) + ' ' +
                         link.at("linkinfo").at("info_data").at("remote").get<std::string>());
    return found;
}

bool AgentsInCluster::tunnels_come_to(const std::set<std::string>& wanted) {
    return comes_true([&] { return tunnels() == wanted; });
}

} // namespace scene
