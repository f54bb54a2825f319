#include "mesh/stamp.h"

#include "netlink/fd.h"
#include "netlink/netns.h"
#include "json/field.h"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <system_error>
#include <unistd.h>

namespace mesh {

namespace {

constexpr const char* draft_suffix = ".new";

std::filesystem::path path_in(const std::filesystem::path& state_dir) {
    return state_dir / stamp_name;
}

[[noreturn]] void fail(const std::string& tried, const std::filesystem::path& path) {
    throw std::system_error(errno, std::generic_category(),
                            "cannot " + tried + ' ' + path.string());
}

std::string read_file(const std::filesystem::path& path) {
    const netlink::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text(4096, '\0');
    std::size_t used = 0;
    for (ssize_t size = 1; file && size > 0; used += static_cast<std::size_t>(size)) {
        text.resize(used + 4096);
        size = ::read(file.get(), text.data() + used, 4096);
        if (size < 0)
            return {};
    }
    text.resize(used);
    return text;
}

} // namespace

std::string host_identity() {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string boot;
    std::getline(file, boot);
    return boot + ' ' + netlink::Netns::current().identity();
}

std::optional<Stamp> read_stamp(const std::filesystem::path& state_dir) {
    const std::string text = read_file(path_in(state_dir));
    if (text.empty())
        return std::nullopt;
    try {
        const json::Value document = json::parse(text);
        return Stamp{.network = document.at("network"),
                     .fingerprint = document.at("fingerprint"),
                     .host = document.at("host"),
                     .self = document.at("self"),
                     .pod_mtu = document.at("podMtu"),
                     .forwarding_turned_on = document.at("forwardingTurnedOn"),
                     .doubted = document.at("doubted")};
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

void write_stamp(const std::filesystem::path& state_dir, const Stamp& stamp) {
    const std::string text =
        json::Value{{"network", stamp.network}, {"fingerprint", stamp.fingerprint},
                    {"host", stamp.host},       {"self", stamp.self},
                    {"podMtu", stamp.pod_mtu},  {"forwardingTurnedOn", stamp.forwarding_turned_on},
                    {"doubted", stamp.doubted}}
            .dump();
    const auto path = path_in(state_dir);
    auto draft = path;
    draft += draft_suffix; // one writer at a time: the mesh's lock is held
    {
        const netlink::Fd file(
            ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        if (!file ||
            ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
            fail("write", draft);
    }
    if (::rename(draft.c_str(), path.c_str()) != 0)
        fail("write", path);
}

void remove_stamp(const std::filesystem::path& state_dir) {
    const auto path = path_in(state_dir);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        fail("remove", path);
}

bool is_mesh_file(std::string_view name) {
    return name == lock_name || name == stamp_name ||
           name == std::string(stamp_name) + draft_suffix;
}

} // namespace mesh
