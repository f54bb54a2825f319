#include "test/system/manager.h"

#include <fstream>
#include <iterator>
#include <system_error>

namespace scene {

namespace fs = std::filesystem;

namespace {

void bind(const fs::path& from, const fs::path& to) {
    checked(::mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr), to.c_str());
}

} // namespace

ManagedHost::ManagedHost(const Host& host, fs::path etc)
    : host_(host), etc_(std::move(etc)), log_(host.folder() / "managers.log") {
    for (const char* folder :
         {"systemd/network", "NetworkManager/conf.d", "NetworkManager/system-connections"})
        fs::create_directories(etc_ / folder);
    for (const char* folder : {"dbus", "var", "systemd/netif/links", "systemd/netif/leases",
                               "systemd/netif/lldp", "systemd/networkd.conf.d"})
        fs::create_directories(host.folder() / folder);
    // systemd makes it so before it starts the daemon as that user.
    host.net().run("chown -R systemd-network: " + (host.folder() / "systemd/netif").string());
    fs::permissions(host.folder(), fs::perms(0755));
}

void ManagedHost::configure(const std::string& path, const std::string& text) const {
    std::ofstream(etc_ / path) << text;
    fs::permissions(etc_ / path,
                    path.ends_with(".nmconnection") ? fs::perms(0600) : fs::perms(0644));
}

/// REQUIRES: the host's own /run is there already.
void ManagedHost::enter() const {
    checked(::mount("sysfs", "/sys", "sysfs", sys_flags_, nullptr), "mount /sys");
    for (const char* folder :
         {"systemd/network", "NetworkManager/conf.d", "NetworkManager/system-connections"})
        bind(etc_ / folder, fs::path("/etc") / folder);
    bind("/run/var", "/var/lib/NetworkManager");
}

std::unique_ptr<Process> ManagedHost::start(const Words& words) const {
    return std::make_unique<Process>(host_, words, log_, [this] { enter(); });
}

Output ManagedHost::run(const std::string& line) const {
    return host_.net().run(Program{.words = split(line), .prepare = [this] {
                                       host_.enter_own_run();
                                       enter();
                                   }});
}

std::string ManagedHost::log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
}

BesideAManager::BesideAManager() {
    host.net().ip("link add canary type veth peer name wire\n"
                  "link set canary addrgenmode none up\n"
                  "link set wire addrgenmode none up\n"
                  "address add 192.168.77.1/24 dev canary\n");
}

void BesideAManager::install(bool drop_ins) {
    // The agent writes them where it finds their folders.
    managed = std::make_unique<ManagedHost>(host, host.folder() / (drop_ins ? "etc" : "other"));
    start_agent();
    const Json result = host.add(near, agent->config());
    link = link_of(result);
    there = address_of(cluster.host(2).add(far, cluster.config()));
    ASSERT_TRUE(reaches(near.net, there));
}

void BesideAManager::start_agent() {
    write_nodes_file(host.folder() / "nodes", cluster.nodes());
    agent = std::make_unique<Agent>(
        host, Words{"--nodes-file", (host.folder() / "nodes").string(), "--ip-masq", "true"});
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
}

Json BesideAManager::ours(bool with_unreachable) const {
    Json found{{"addresses", Json::array()}, {"routes", Json::array()}};
    const auto shown = host.net().ip("address show\nroute show proto 94\n");
    for (const Json& device : shown.at(0))
        for (const Json& address : device.at("addr_info")) {
            const std::string name = device.at("ifname");
            if (address.at("family") == "inet" && (name == "lo" || name == tunnel || name == link))
                found["addresses"].push_back({name, address.at("local"), address.at("prefixlen")});
        }
    for (const Json& route : shown.at(1))
        if (with_unreachable || route.value("type", "") != "unreachable")
            found["routes"].push_back(
                {route.at("dst"), route.value("dev", ""), route.value("prefsrc", "")});
    for (const char* list : {"addresses", "routes"})
        std::sort(found[list].begin(), found[list].end());
    for (const std::string& name : {std::string(tunnel), link})
        found[name] = find(shown.at(0), "ifname", name).at("mtu");
    return found;
}

bool BesideAManager::has_canary_address() const {
    return host.net().run("ip address show dev canary").out.find("192.168.77.1") !=
           std::string::npos;
}

int BesideAManager::index_of(const std::string& device) const {
    return host.net().json("ip -j link show " + device).at(0).at("ifindex");
}

::testing::AssertionResult BesideAManager::comes_back(const Json& before) const {
    if (comes_true([&] { return ours() == before && reaches(near.net, there); }))
        return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << Json::diff(before, ours()).dump(2) << agent->log() << managed->log();
}

} // namespace scene
