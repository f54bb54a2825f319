#pragma once

#include "test/kernel/scene.h"

#include <cstdint>
#include <string>

namespace scene {

/// Where a server listens, or a client thinks it does.
struct Port {
    std::string address;
    std::uint16_t number;
};

/// Connects from `client` to `to` by TCP while a server in `server` listens at `port` of every
/// address. Returns the address from which the server saw it come, "nobody" where none came.
std::string caller(const Namespace& client, const Port& to, const Namespace& server,
                   std::uint16_t port);

/// Sends `count` datagrams of 1000 bytes as fast as it goes, to where somebody listens.
void flood(const Namespace& from, const Port& to, const Namespace& listener, int count);

} // namespace scene
