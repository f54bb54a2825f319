#include "cni/attachment.h"
#include "cni/run.h"
#include "cni/version.h"
#include "netlink/fd.h"
#include "plugin/config.h"
#include "plugin/error.h"
#include "pods/names.h"
#include "test/fuzz/variables.h"

#include <algorithm>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

// A call of the plugin as a runtime makes it, environment and standard input together, up to where
// the kernel would be touched: six values that end with a NUL each, as in the target environment,
// then the input. What comes out is a result of the version asked for, or an error document.

namespace {

/// What an ADD would say of the pod's link.
cni::Result result_of(const cni::Call& call, const plugin::Config& config) {
    const ipam::Owner owner{config.identity.network, call.environment.container_id,
                            call.environment.interface};
    const auto gateway = ip::Address::parse("10.10.100.10");
    const auto address = call.environment.requested.value_or(ip::Address::parse("10.10.100.11"));
    cni::Result result{
        .interfaces = {{pods::host_link_name(owner), "02:00:00:00:00:01", 1480, {}},
                       {call.environment.interface,
                        config.mac.value_or(pods::link_mac(owner, pods::End::pod)).to_string(),
                        1480, call.environment.netns.value_or("")}},
        .addresses =
            {{.address = address, .prefix = address.bits(), .gateway = gateway, .interface = 1}},
        .routes = config.routes,
        .dns = config.dns};
    if (result.routes.empty())
        result.routes.push_back(
            {.destination = cni::everything(ip::Family::v4), .gateway = gateway});
    return result;
}

/// What is written in a version is read in it, and written again it is the same.
void expect_round_trip(const cni::Result& result, const std::string& version) {
    const json::Value document = cni::to_json(result, version);
    const cni::Result read = cni::read_result(json::Field(document), version);
    expect(cni::to_json(read, version) == document, "a result is read as it was written");
    const bool is_legacy = !cni::at_least(version, "0.3.0");
    expect(is_legacy || (read.addresses.size() == result.addresses.size() &&
                         read.interfaces.size() == result.interfaces.size() &&
                         read.routes.size() == result.routes.size()),
           "nothing is lost");
}

/// Of the chain's result all stays where it was, and what is ours comes behind.
void expect_merged(const cni::Result& previous, const cni::Result& own, const cni::Result& merged,
                   const std::string& version) {
    if (!cni::at_least(version, "0.3.0")) {
        expect(!merged.addresses.empty(), "somebody's address is there");
        return;
    }
    const std::size_t before = previous.interfaces.size();
    expect(merged.interfaces.size() == before + own.interfaces.size() &&
               merged.routes.size() == previous.routes.size() + own.routes.size() &&
               merged.addresses.size() == previous.addresses.size() + own.addresses.size(),
           "a chain's result grows");
    for (std::size_t i = 0; i < previous.addresses.size(); ++i)
        expect(merged.addresses[i].address == previous.addresses[i].address &&
                   merged.addresses[i].interface == previous.addresses[i].interface,
               "what was there stays");
    expect(merged.addresses.back().interface == before + 1, "ours is on our interface");
}

/// The plugin's verbs without what the kernel and the store do in them.
class Reader : public cni::Plugin {
  public:
    json::Value add(const cni::Call& call) override {
        const plugin::Config config = read(call);
        const cni::Result own = result_of(call, config);
        for (const std::string& version : cni::served_versions()) {
            expect_round_trip(own, version);
            if (config.previous)
                expect_round_trip(*config.previous, version);
        }
        json::Value document = cni::to_json(own, call.version);
        if (!config.previous)
            return document;
        document = cni::merge(call.config.value().at("prevResult"), std::move(document));
        expect_merged(*config.previous, own, cni::read_result(json::Field(document), call.version),
                      call.version);
        return document;
    }
    void del(const cni::Call& call) override { plugin::read_identity(call.config); }
    void check(const cni::Call& call) override { read(call); }
    void gc(const cni::Call& call) override {
        plugin::read_identity(call.config);
        cni::read_valid_attachments(call.config);
    }
    void status(const cni::Call& call) override { read(call); }
    cni::Error describe(const std::exception& error) const override {
        const cni::Error told = plugin::describe(error);
        expect(told.code != 99, "the error is of a known kind: " + told.message);
        return told;
    }

  private:
    static plugin::Config read(const cni::Call& call) {
        plugin::Config config = plugin::read_config(call);
        cni::read_log(call.config);
        config.cluster.listing();
        expect(plugin::read_identity(call.config).network == config.identity.network,
               "DEL finds the same");
        return config;
    }
};

/// No file of the machine's is to be opened because an input names it.
std::string without_paths(std::string_view text) {
    json::Value document = json::Value::parse(text, nullptr, false);
    if (!document.is_object() || (!document.contains("ipam") && !document.contains("nodesFile")))
        return std::string(text);
    document["nodesFile"] = "/nowhere/nodes.json";
    if (auto& ipam = document["ipam"]; ipam.is_object() && ipam.contains("resolvConf"))
        ipam["resolvConf"] = "/nowhere/resolv.conf";
    return document.dump();
}

void expect_document(int status, const std::string& output) {
    if (status == 0 && output.empty())
        return; // of verbs that say nothing
    const json::Value document = json::parse(output);
    const std::string version = document.at("cniVersion").get<std::string>();
    if (status == 0 && document.contains("supportedVersions"))
        return;
    expect(std::ranges::find(cni::served_versions(), version) != cni::served_versions().end(),
           "what is said is of a version that is served");
    if (status == 0)
        cni::read_result(json::Field(document), version);
    else
        expect(document.at("code") != 0 && !document.at("msg").get<std::string>().empty(),
               "an error has a code and a message");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    take_variables(rest);
    const std::string text = without_paths(rest);
    static const netlink::Fd input(::memfd_create("input", MFD_CLOEXEC));
    static const netlink::Fd output(::memfd_create("output", MFD_CLOEXEC));
    for (const netlink::Fd* file : {&input, &output})
        expect(::ftruncate(file->get(), 0) == 0 && ::lseek(file->get(), 0, SEEK_SET) == 0,
               "a file is empty");
    expect(::pwrite(input.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()),
           "the input is written");
    Reader plugin;
    const int status = cni::run(plugin, get_variable, input.get(), output.get());
    std::string said(static_cast<std::size_t>(::lseek(output.get(), 0, SEEK_END)), '\0');
    expect(::pread(output.get(), said.data(), said.size(), 0) == static_cast<ssize_t>(said.size()),
           "the output is read");
    expect_document(status, said);
    return 0;
}
