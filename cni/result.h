#pragma once

#include "ip/cidr.h"
#include "json/field.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cni {

/// What an ADD made, in no version's words yet (CNI specification 1.1.0 section 5).
struct Result {
    struct Interface {
        std::string name;
        std::string mac;                  ///< empty: not said
        std::optional<std::uint32_t> mtu; ///< bytes
        std::string sandbox;              ///< path of the network namespace; empty: the host's
    };
    struct Address {
        ip::Address address;
        unsigned prefix; ///< length
        std::optional<ip::Address> gateway;
        std::optional<std::size_t> interface; ///< which of `interfaces` bears it
    };
    struct Route {
        ip::Cidr destination;
        std::optional<ip::Address> gateway = {};
        // Known since 1.1.0.
        std::optional<std::uint32_t> mtu = {};
        std::optional<std::uint32_t> advmss = {};
        std::optional<std::uint32_t> priority = {};
        std::optional<std::uint32_t> table = {};
        std::optional<std::uint32_t> scope = {};

        bool operator==(const Route&) const = default;
    };
    std::vector<Interface> interfaces; ///< none from an IPAM plugin
    std::vector<Address> addresses;
    std::vector<Route> routes;
    json::Value dns; ///< null: none
};

/// "0.0.0.0/0" or "::/0".
ip::Cidr everything(ip::Family family);

/// The result in the shape of a version of the specification, one of served_versions(). Versions
/// before 0.3.0 have room for one address a family, and get the first.
json::Value to_json(const Result& result, const std::string& version);

/// Reads what another plugin made. Throws json::FieldError, which names the key.
Result read_result(const json::Field& document, const std::string& version);

/// A route as the results have it, and host-local's configuration.
Result::Route read_route(const json::Field& route);

/// The key `prevResult`, with the result of the plugins before this one in the chain; none where
/// there is none. Throws json::FieldError; also where it is not of `version`.
std::optional<Result> read_previous(const json::Field& config, const std::string& version);

/// What a plugin returns whose chain has `previous` already: that, and what it made itself
/// (specification section 3, "ADD"). Keys of `previous` that are not known here stay.
json::Value merge(const json::Value& previous, json::Value own);

} // namespace cni
