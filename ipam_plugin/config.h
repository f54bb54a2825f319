#pragma once

#include "cni/environment.h"
#include "cni/result.h"
#include "ipam/store.h"
#include "json/field.h"

#include <filesystem>
#include <string>
#include <vector>

// The keys that host-local has (containernetworking/plugins), with its meaning.

namespace ipam_plugin {

/// A block and what of it is given out.
struct Subnet {
    ip::Cidr block;
    ipam::Range range;
    ip::Address gateway; ///< named, or the first address of the block; never given
    std::string path;    ///< where it stands in the configuration, for errors
};

/// A pod gets one address from each set.
using SubnetSet = std::vector<Subnet>;

/// The sets of runtimeConfig.ipRanges, then those of `ipam`: "ranges", or the short form with
/// "subnet" on the top. Throws json::FieldError; also where sets overlap.
std::vector<SubnetSet> read_ranges(const json::Field& config);

/// ipam.routes. Throws json::FieldError.
std::vector<cni::Result::Route> read_routes(const json::Field& config);

/// What the file ipam.resolvConf says, in the words of a result's "dns"; null without one. Throws
/// json::FieldError.
json::Value read_resolv_conf(const json::Field& config);

/// The addresses that user and runtime ask for: runtimeConfig.ips, args.cni.ips and the IP of
/// CNI_ARGS. Throws json::FieldError.
std::vector<ip::Address> read_requested(const json::Field& config,
                                        const cni::Environment& environment);

/// The sets as the store takes them.
std::vector<ipam::RangeSet> to_ranges(const std::vector<SubnetSet>& sets);

/// What every verb of the program ipip-ipam needs.
struct Identity {
    std::string network;
    std::filesystem::path data_dir;
};
/// Throws json::FieldError.
Identity read_identity(const json::Field& config);

/// Its whole configuration.
struct Settings {
    Identity identity;
    std::vector<SubnetSet> sets; ///< at least one
    std::vector<cni::Result::Route> routes;
    json::Value dns; ///< null: none
    std::vector<ip::Address> requested;
};
/// Throws json::FieldError.
Settings read_settings(const json::Field& config, const cni::Environment& environment,
                       const std::string& version);

} // namespace ipam_plugin
