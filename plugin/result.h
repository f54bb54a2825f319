#pragma once

#include "ip/mac.h"
#include "json/field.h"

#include <cstdint>
#include <string>
#include <vector>

namespace plugin {

/// What an ADD made, in no version's words yet.
struct Result {
    struct Interface {
        std::string name;
        ip::Mac mac;
        std::uint32_t mtu; ///< bytes
    };
    Interface host;
    Interface pod;
    std::string sandbox; ///< path of the pod's network namespace
    struct Address {
        ip::Address address; ///< a /32 or /128 on the pod's interface
        ip::Address gateway;
    };
    std::vector<Address> addresses;
    json::Value dns; ///< null: none
};

/// The result in the shape of a version of the specification, one of served_versions().
json::Value to_json(const Result& result, const std::string& version);

} // namespace plugin
