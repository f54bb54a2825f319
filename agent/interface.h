#pragma once

#include "ip/address.h"

#include <string>

namespace agent {

/// The first IPv4 address of that network interface of this host. Throws std::runtime_error, which
/// names the flag --interface and the interfaces that there are, where it has none.
ip::Address address_of(const std::string& interface);

} // namespace agent
