#pragma once

#include "ip/cidr.h"
#include "ip/mac.h"
#include "netlink/netns.h"
#include "netlink/socket.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace netlink {

/// A pod's network namespace and a socket that speaks to it from outside.
class Pod {
  public:
    /// Throws Error.
    explicit Pod(Netns space) : space_(std::move(space)), socket_(space_.socket()) {}

    const Netns& space() const { return space_; }
    Socket& socket() { return socket_; }

  private:
    Netns space_;
    Socket socket_;
};

/// The group of pods' host ends (IFLA_GROUP): `ip link show group 94`.
inline constexpr std::uint32_t pod_group = 94;

/// One pod's wiring: a veth pair, the pod's addresses, its routes, and the host's routes to it.
/// No bridge: the pod's only neighbour is the node, which answers as its gateway.
struct PodLink {
    /// What leads out of the pod, by the gateway of the family.
    struct Route {
        ip::Cidr destination;
        std::uint32_t metric = 0;
        std::uint32_t table = 0;  ///< 0: the main one, or the link's own
        std::uint32_t mtu = 0;    ///< bytes; 0: the link's
        std::uint32_t advmss = 0; ///< bytes; 0: the kernel's choice
    };
    std::string host_name;
    std::string alias;
    std::string pod_name;
    ip::Mac host_mac;
    ip::Mac pod_mac;
    std::uint32_t mtu;
    std::vector<ip::Address> addresses; ///< the pod's, each as a /32 or /128
    std::vector<ip::Address> gateways;  ///< the node's endpoint, one a family of the addresses
    std::vector<Route> routes;
    bool check_source = true; ///< the host drops what the pod sends from an address not its own
    /// For a further link of a pod: its routes go into a table of their own, which only packets
    /// from its own addresses use, so that the pod's first link keeps all others.
    bool own_table = false;
};

/// The pair as the kernel numbered it, each in its own namespace.
struct PodEnds {
    int host;
    int pod;
};

/// The table of a link with `own_table`.
std::uint32_t own_table(const PodEnds& ends);

/// The host's route to a pod: into the host end of its link, from the gateway's address.
Request host_route(const ip::Address& pod, const ip::Address& gateway, int link);

/// What a pod has before it is wired.
struct PodState {
    bool has_link;                       ///< an interface of the name asked for
    std::set<ip::Family> default_routes; ///< of other interfaces
};
/// Throws Error.
PodState look_at_pod(Pod& pod, const std::string& link);

/// Makes and wires the pair; also without addresses yet, for who gives them wants to see a link.
/// Throws Error; then everything that was made is gone again. The gateways must be addresses of
/// this host.
PodEnds attach(Socket& host, Pod& pod, const PodLink& link);

/// Gives a pair that was attached without addresses those of `link`, and the routes. Throws Error,
/// and leaves what was done to detach().
void assign(Socket& host, Pod& pod, const PodLink& link, const PodEnds& ends);

/// Deletes the host end and with it the pod's end and every address and route of either. It needs
/// nothing of the pod. Returns whether it was there. Throws Error.
bool detach(Socket& host, const std::string& host_name);

/// Deletes the rules in the pod that lead packets from `addresses` to a link's own table: unlike
/// its routes they do not go with the link. Throws Error.
void forget_own_table(Pod& pod, const std::vector<ip::Address>& addresses);

} // namespace netlink
