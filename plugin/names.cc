#include "plugin/names.h"

#include "hash/hash.h"

namespace plugin {

static Hash attachment(const std::string& network, const std::string& container,
                       const std::string& interface) {
    return Hash().add(network).add(container).add(interface);
}

constexpr std::string_view prefix = "veth";
constexpr unsigned digits = 11;

std::string host_link_name(const std::string& network, const std::string& container,
                           const std::string& interface) {
    return std::string(prefix) + attachment(network, container, interface).hex(digits);
}

ip::Mac link_mac(const std::string& network, const std::string& container,
                 const std::string& interface, End end) {
    Hash hash = attachment(network, container, interface);
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
    std::string alias =
        network + ": " +
        (pod.empty() ? environment.container_id : arg("K8S_POD_NAMESPACE") + '/' + pod) + ' ' +
        environment.interface;
    constexpr std::size_t longest = 255; // IFALIASZ with its terminator
    alias.resize(std::min(alias.size(), longest));
    return alias;
}

bool is_host_link(const std::string& network, const std::string& name, const std::string& alias) {
    return name.size() == prefix.size() + digits && name.starts_with(prefix) &&
           name.find_first_not_of("0123456789abcdef", prefix.size()) == std::string::npos &&
           alias.starts_with(network + ": ");
}

} // namespace plugin
