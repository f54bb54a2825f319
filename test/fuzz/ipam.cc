#include "cni/version.h"
#include "ipam_plugin/config.h"
#include "ipam_plugin/error.h"
#include "test/fuzz/told.h"

#include <algorithm>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

// Any bytes as the configuration of ipip-ipam, with the text under the key "file" as the file that
// ipam.resolvConf names: ranges from which addresses can be given, or an error of a known kind.

namespace {

void expect_sound(const ipam_plugin::SubnetSet& set) {
    for (const ipam_plugin::Subnet& subnet : set) {
        const ipam::Range& range = subnet.range;
        expect(range.first <= range.last, "a range counts up");
        expect(subnet.block.contains(range.first) && subnet.block.contains(range.last),
               "a range is inside of its block");
        expect(subnet.block.family() == set.front().block.family(), "a set is of one family");
        expect(!ipam::contains(range, subnet.gateway) ||
                   std::ranges::find(range.reserved, subnet.gateway) != range.reserved.end(),
               "a gateway is not given to a pod");
        expect(range.first != range.last || range.reserved.empty(), "there is an address");
    }
}

void expect_apart(const std::vector<ipam_plugin::SubnetSet>& sets) {
    std::vector<const ipam::Range*> before;
    for (const ipam_plugin::SubnetSet& set : sets)
        for (const ipam_plugin::Subnet& subnet : set) {
            for (const ipam::Range* other : before)
                expect(!ipam::contains(*other, subnet.range.first) &&
                           !ipam::contains(subnet.range, other->first),
                       "an address is in one range");
            before.push_back(&subnet.range);
        }
}

void read(const json::Field& config) {
    const cni::Environment environment{cni::Verb::add, {}, {}, {}, {}, {}, {}, {}};
    const std::string version = cni::read_version(config);
    const auto settings = ipam_plugin::read_settings(config, environment, version);
    const auto identity = ipam_plugin::read_identity(config);
    expect(identity.network == settings.identity.network &&
               identity.data_dir == settings.identity.data_dir,
           "DEL finds the same");
    expect(identity.data_dir.is_absolute(), "leases do not depend on where the runtime is");
    expect(!settings.sets.empty(), "there is a range");
    for (const ipam_plugin::SubnetSet& set : settings.sets) {
        expect(!set.empty(), "there is a range in a set");
        expect_sound(set);
    }
    expect_apart(settings.sets);
    expect(ipam_plugin::to_ranges(settings.sets).size() == settings.sets.size(),
           "each set gives one address");
    expect(settings.dns.is_null() || !settings.dns.empty(), "a DNS says something");
    cni::read_previous(config, version);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const int file = ::memfd_create("resolv.conf", MFD_CLOEXEC);
    static const std::string path = "/proc/self/fd/" + std::to_string(file);
    try {
        json::Value document = json::parse({reinterpret_cast<const char*>(data), size});
        if (document.is_object() && document.contains("ipam") && document.at("ipam").is_object()) {
            const auto text = document.find("file");
            const std::string content =
                text != document.end() && text->is_string() ? text->get<std::string>() : "";
            expect(::ftruncate(file, 0) == 0 && ::pwrite(file, content.data(), content.size(), 0) ==
                                                    static_cast<ssize_t>(content.size()),
                   "the file is written");
            if (document.at("ipam").contains("resolvConf")) // no other of the machine's
                document["ipam"]["resolvConf"] = path;
        }
        read(json::Field(document));
    } catch (const std::exception& error) {
        const cni::Error told = ipam_plugin::describe(error);
        expect_told<json::SyntaxError, json::FieldError, cni::VersionError>(error, told);
        expect(told.code != 5, "it is no fault of input or output: " + told.message);
    }
    return 0;
}
