#pragma once

#include "ip/address.h"
#include "ip/mac.h"
#include "netlink/request.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace netlink {

class Socket;
class Netns;

/// A network device as the kernel has it.
struct Link {
    int index = 0;
    std::string name;
    std::string kind; ///< "veth", "ipip", ...; empty for hardware
    std::string alias;
    ip::Mac mac;
    std::uint32_t mtu = 0;
    bool up = false;         ///< administratively, IFF_UP
    std::uint32_t group = 0; ///< ip-link(8)
    int peer_index = 0;      ///< of a veth: the index of its other end, in that end's namespace
    bool forwarding = false; ///< net.ipv4.conf.NAME.forwarding
    int rp_filter = 0;       ///< net.ipv4.conf.NAME.rp_filter

    // Of an ipip device.
    std::optional<ip::Address> local;
    std::optional<ip::Address> remote; ///< none: wherever a route's gateway says
    std::uint8_t ttl = 0;
    bool path_mtu_discovery = false;
};

/// A pair of virtual Ethernet devices, one end here, the other born in the pod.
struct VethPair {
    std::string host_name;
    std::string pod_name;
    ip::Mac host_mac;
    ip::Mac pod_mac;
    std::uint32_t mtu;
    std::uint32_t host_group = 0; ///< IFLA_GROUP of the end that is here
};

/// An IPv4-in-IPv4 tunnel device, RFC 2003.
struct TunnelDevice {
    std::string name;
    std::string alias;
    ip::Address local;
    std::optional<ip::Address> remote; ///< none: each route's gateway is where its packets go
    std::uint8_t ttl;
    std::uint32_t mtu;

    bool operator==(const TunnelDevice&) const = default;
};

/// One message: both ends under their final names, the pod's end already in its namespace (a
/// later move would cost a grace period of the kernel's). Both are down.
Request make_veth(const VethPair& pair, const Netns& pod);

/// The device is made with path MTU discovery (the outer header bears Don't Fragment). It is down
/// and without its alias, which the kernel takes for existing devices only: see `configure`.
/// The kernel loads its module if it may.
Request make_tunnel(const TunnelDevice& tunnel);

/// Whether this kernel can make tunnels; it loads its module if it may. Makes nothing. Throws
/// Error.
bool has_tunnels(Socket& socket);

/// Gives an existing device of that name all that `tunnel` says, and brings it up.
Request change_tunnel(const TunnelDevice& tunnel);

/// What can be set on an existing device besides its kind's own attributes.
struct LinkSettings {
    std::optional<std::string> alias = {};
    std::optional<bool> forwarding = {}; ///< net.ipv4.conf.NAME.forwarding, without a file in /proc
    /// net.ipv4.conf.NAME.rp_filter; 1: drop what comes in here but would not be answered here;
    /// 2: what would not be answered anywhere (RFC 3704).
    std::optional<int> rp_filter = {};
    std::optional<std::uint32_t> group = {}; ///< ip-link(8)
    /// Addresses stay when an older one towards the same peer goes (which is otherwise theirs too).
    bool keep_secondaries = false;
    bool up = false; ///< bring it up
};
Request configure(const std::string& name, const LinkSettings& settings);

/// Generates no IPv6 link-local address when the device comes up. It may fail: a kernel without
/// IPv6 generates none anyway.
Request without_ipv6_address(const std::string& name);

/// A link that is up keeps its name before Linux 6.2 (EBUSY).
Request rename_link(int index, const std::string& name);
/// The link's routes go.
Request take_down(int index);

Request get_link(const std::string& name);
Request get_link(int index);
Request delete_link(const std::string& name);

/// What get_link found.
Link to_link(const Message& reply);

/// All links of a kind, filtered by the kernel. Grows with their number.
std::vector<Link> dump_links(Socket& socket, const std::string& kind);

/// What went through a link since it was made.
struct Traffic {
    int index = 0;       ///< of the link
    std::string kind;    ///< of the link
    std::string alias;   ///< of the link
    bool up = false;     ///< administratively, IFF_UP
    bool to_all = false; ///< an ipip device without remote
    std::uint64_t received_packets = 0;
    std::uint64_t received_bytes = 0;
    std::uint64_t sent_packets = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t errors = 0; ///< of both directions, like drops
    std::uint64_t drops = 0;
};

/// That of all links of a kind, in a fraction of the memory of dump_links().
std::vector<Traffic> dump_traffic(Socket& socket, const std::string& kind);

} // namespace netlink
