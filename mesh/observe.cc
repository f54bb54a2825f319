#include "mesh/observe.h"

namespace mesh {

Observed observe(netlink::Socket& route) {
    return {.tunnels = netlink::dump_links(route, "ipip"),
            .addresses = netlink::dump_addresses(route, ip::Family::v4),
            .routes = netlink::dump_own_routes(route, ip::Family::v4)};
}

} // namespace mesh
