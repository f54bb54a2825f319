#pragma once

#include "ip/cidr.h"

#include <span>
#include <vector>

namespace ipam {

/// A span of addresses, both ends included, from which pods are served.
struct Range {
    ip::Address first;
    ip::Address last;
    std::vector<ip::Address> reserved; ///< inside the span, never given out
};

/// One pod takes one address from each set; a set is several ranges tried as one.
using RangeSet = std::vector<Range>;

/// The addresses of `subnet` that a host may bear: without the network address and, in IPv4,
/// without the directed broadcast (RFC 1122 section 3.2.1.3), in IPv6 without the
/// Subnet-Router anycast address (RFC 4291 section 2.6.1). `reserved` are left out besides.
/// Throws std::invalid_argument where nothing is left; what() names the block and the mend.
Range usable(const ip::Cidr& subnet, std::vector<ip::Address> reserved = {});

/// The smallest prefix a node's pod CIDR may have left: room for an endpoint and one pod.
/// 30 for IPv4, 126 for IPv6.
unsigned longest_pod_prefix(ip::Family family);

/// Whether the address lies in the span, reserved or not.
bool contains(const Range& range, const ip::Address& address);

} // namespace ipam
