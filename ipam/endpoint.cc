#include "ipam/endpoint.h"

#include "ipam/range.h"

#include <algorithm>

namespace ipam {

std::optional<ip::Address> endpoint(std::span<const ip::Cidr> pod_cidrs, ip::Family family) {
    const auto cidr = std::ranges::find(pod_cidrs, family, &ip::Cidr::family);
    if (cidr == pod_cidrs.end())
        return std::nullopt;
    return usable(*cidr).first;
}

} // namespace ipam
