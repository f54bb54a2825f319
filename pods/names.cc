#include "pods/names.h"

#include "cni/network.h"
#include "hash/hash.h"

namespace pods {

static Hash hash_of(const ipam::Owner& owner) {
    return Hash().add(owner.network).add(owner.container).add(owner.interface);
}

constexpr std::string_view prefix = "veth";
constexpr unsigned digits = 11;
constexpr std::size_t longest_alias = 255; // IFALIASZ with its terminator

static std::optional<std::string> network_of_alias(const std::string& alias) {
    std::string network = alias.substr(0, alias.find(": "));
    if (network.size() == alias.size() || !cni::is_network_name(network))
        return std::nullopt;
    return network;
}

std::string host_link_name(const ipam::Owner& owner) {
    return std::string(prefix) + hash_of(owner).hex(digits);
}

ip::Mac link_mac(const ipam::Owner& owner, End end) {
    Hash hash = hash_of(owner);
    hash.add(end == End::host ? "host" : "pod");
    ip::Mac mac;
    for (std::size_t i = 0; i < mac.bytes.size(); ++i)
        mac.bytes[i] = static_cast<std::uint8_t>(hash.value() >> (8 * i));
    mac.bytes[0] = static_cast<std::uint8_t>((mac.bytes[0] & 0xfc) | 0x02); // local, one interface
    return mac;
}

std::string host_link_alias(const std::string& network, const cni::Environment& environment) {
    const auto arg = [&](const char* key) {
        const auto found = environment.args.find(key);
        return found == environment.args.end() ? std::string() : found->second;
    };
    const std::string pod = arg("K8S_POD_NAME");
    const std::string owner = environment.container_id + ' ' + environment.interface;
    std::string alias = network + ": " + owner;
    if (const std::string named = arg("K8S_POD_NAMESPACE") + '/' + pod + ' ';
        !pod.empty() && alias.size() + named.size() <= longest_alias)
        alias.insert(alias.size() - owner.size(), named);
    alias.resize(std::min(alias.size(), longest_alias));
    return alias;
}

std::optional<ipam::Owner> owner_of_host_link(const netlink::Link& link) {
    const std::string& alias = link.alias;
    const auto network = network_of_alias(alias);
    const std::size_t interface = alias.rfind(' ');
    if (!network || interface == 0)
        return std::nullopt;
    const std::size_t container = alias.rfind(' ', interface - 1);
    if (container == alias.npos)
        return std::nullopt;
    ipam::Owner owner{.network = *network,
                      .container = alias.substr(container + 1, interface - container - 1),
                      .interface = alias.substr(interface + 1)};
    const bool proven =
        host_link_name(owner) == link.name || link_mac(owner, End::host) == link.mac;
    return proven ? std::optional(std::move(owner)) : std::nullopt;
}

std::optional<std::string> network_of_host_link(const netlink::Link& link) {
    const std::string& name = link.name;
    const bool named = name.size() == prefix.size() + digits && name.starts_with(prefix) &&
                       name.find_first_not_of("0123456789abcdef", prefix.size()) == name.npos;
    return named || owner_of_host_link(link) ? network_of_alias(link.alias) : std::nullopt;
}

} // namespace pods
