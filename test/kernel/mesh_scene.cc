#include "test/kernel/mesh_scene.h"

#include <algorithm>

namespace mesh {

using scene::Json;

namespace {

/// Of an object, the keys named.
Json only(const Json& object, std::initializer_list<const char*> keys) {
    Json result = Json::object();
    for (const char* key : keys)
        if (object.contains(key))
            result[key] = object.at(key);
    return result;
}

bool has_flag(const Json& object, const char* flag) {
    const Json flags = object.value("flags", Json::array());
    return std::ranges::find(flags, flag) != flags.end();
}

/// `multicast`: the routes of that kind.
Json shown_tunnel(const scene::Namespace& space, const Json& link, const Json& addresses,
                  const std::string& multicast) {
    const Json data = link.at("linkinfo").at("info_data");
    const std::string sysctls = "net/ipv4/conf/" + link.at("ifname").get<std::string>();
    Json tunnel{{"local", data.at("local")},
                {"remote", data.at("remote")},
                {"ttl", data.value("ttl", 0)},
                {"pmtudisc", data.value("pmtudisc", false)},
                {"mtu", link.at("mtu")},
                {"alias", link.value("ifalias", "")},
                {"up", has_flag(link, "UP")},
                {"ipv6", link.value("inet6_addr_gen_mode", "")},
                {"multicast", multicast.find(" dev " + link.at("ifname").get<std::string>()) !=
                                  std::string::npos},
                {"forwarding", space.sysctl(sysctls + "/forwarding")},
                {"rp_filter", space.sysctl(sysctls + "/rp_filter")},
                {"addresses", Json::array()}};
    for (const Json& address : addresses)
        tunnel["addresses"].push_back(
            only(address, {"local", "address", "prefixlen", "scope", "label"}));
    return tunnel;
}

} // namespace

Node node(int number) {
    const std::string pods = "10.10." + std::to_string(number);
    return {.name = "host" + std::to_string(number),
            .addresses = {ip::Address::parse("172.16.5." + std::to_string(125 + number))},
            .pod_cidrs = {ip::Cidr::parse(pods + ".0/24")},
            .tunnel_addresses = {ip::Address::parse(pods + ".10")}};
}

std::vector<Node> nodes(int count) {
    std::vector<Node> result;
    for (int number = 1; number <= count; ++number)
        result.push_back(node(number));
    return result;
}

std::string tunnel_to(int number) {
    constexpr const char* digits = "0123456789abcdef";
    return std::string("ipip-ac1005") + digits[(125 + number) / 16] + digits[(125 + number) % 16];
}

Json expected_mesh(const std::vector<Node>& nodes, const Settings& settings, std::uint32_t mtu) {
    const Node& self = nodes.front();
    const std::string endpoint = self.tunnel_addresses.front().to_string();
    Json mesh{{"tunnels", Json::object()}, {"routes", Json::array()}};
    mesh["endpoint"] = Json::array(
        {{{"local", endpoint}, {"prefixlen", 32}, {"scope", "link"}, {"label", "lo:ipip"}}});
    for (const ip::Cidr& cidr : self.pod_cidrs)
        mesh["routes"].push_back({{"type", "unreachable"},
                                  {"dst", cidr.to_string()},
                                  {"scope", "global"},
                                  {"metric", 4096}});
    for (const Node& peer : nodes) {
        if (&peer == &self)
            continue;
        const auto bytes = peer.addresses.front().bytes();
        std::string name = "ipip-";
        for (const std::uint8_t byte : bytes) {
            name += "0123456789abcdef"[byte / 16];
            name += "0123456789abcdef"[byte % 16];
        }
        mesh["tunnels"][name] = {{"local", self.addresses.front().to_string()},
                                 {"remote", peer.addresses.front().to_string()},
                                 {"ttl", settings.ttl},
                                 {"pmtudisc", true},
                                 {"mtu", settings.mtu != 0 ? settings.mtu : mtu},
                                 {"alias", settings.network + '/' + peer.name},
                                 {"up", true},
                                 {"ipv6", "none"},
                                 {"multicast", false},
                                 {"forwarding", "1"},
                                 {"rp_filter", settings.check_source ? "2" : "0"}};
        mesh["tunnels"][name]["addresses"] =
            Json::array({{{"local", endpoint},
                          {"address", peer.tunnel_addresses.front().to_string()},
                          {"prefixlen", 32},
                          {"scope", "global"},
                          {"label", name}}});
        for (const ip::Cidr& cidr : peer.pod_cidrs)
            mesh["routes"].push_back({{"type", "unicast"},
                                      {"dst", cidr.to_string()},
                                      {"dev", name},
                                      {"scope", "link"},
                                      {"prefsrc", endpoint}});
    }
    std::sort(mesh["routes"].begin(), mesh["routes"].end());
    return mesh;
}

Json shown_mesh(const scene::Namespace& space, const std::string& commands) {
    const auto shown = space.ip(commands + "link show\naddress show\nroute show table all\n");
    const Json& links = shown.at(0);
    const std::string multicast = space.run("ip -6 route show table local type multicast").out;
    Json mesh{{"tunnels", Json::object()}, {"endpoint", Json::array()}, {"routes", Json::array()}};
    for (const Json& link : links) {
        const std::string name = link.at("ifname");
        const Json addresses = scene::find(shown.at(1), "ifname", name).at("addr_info");
        if (name.starts_with("ipip-"))
            mesh["tunnels"][name] = shown_tunnel(space, link, addresses, multicast);
        for (const Json& address : addresses)
            if (name == "lo" && address.at("scope") != "host")
                mesh["endpoint"].push_back(
                    only(address, {"local", "address", "prefixlen", "scope", "label"}));
    }
    for (const Json& route : shown.at(2))
        if (route.value("protocol", "") == "94")
            mesh["routes"].push_back(
                only(route, {"type", "dst", "dev", "gateway", "scope", "prefsrc", "metric"}));
    std::sort(mesh["routes"].begin(), mesh["routes"].end());
    return mesh;
}

std::map<std::string, int> tunnel_indices(const scene::Namespace& space) {
    std::map<std::string, int> indices;
    const Json links = space.json("ip -j link show type ipip");
    for (const Json& link : links)
        if (!link.empty()) // iproute2 shows what it filtered out as {}
            indices.emplace(link.at("ifname"), link.at("ifindex"));
    return indices;
}

MeshTest::MeshTest() {
    host_.ip("link add u0 type veth peer name far0\n"
             "link set u0 addrgenmode none\n"
             "link set u0 up\n"
             "link set far0 addrgenmode none\n"
             "link set far0 up\n"
             "address add 172.16.5.126/24 dev u0\n"
             "address add 172.16.5.200/24 dev u0\n");
}

} // namespace mesh
