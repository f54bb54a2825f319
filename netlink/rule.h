#pragma once

#include "ip/address.h"
#include "netlink/request.h"

#include <cstdint>
#include <vector>

namespace netlink {

class Socket;

/// A rule of the routing policy, ip-rule(8): packets from `source` are routed by `table`.
struct Rule {
    ip::Address source;
    std::uint32_t table;

    bool operator==(const Rule&) const = default;
};

/// The rule gets this project's protocol and a priority before that of the main table.
Request add_rule(const Rule& rule);
/// The rule of this project for packets from `source`, whatever its table.
Request delete_rule(const ip::Address& source);

/// The rules of this project. Grows with the number of all rules.
std::vector<Rule> dump_own_rules(Socket& socket, ip::Family family);

} // namespace netlink
