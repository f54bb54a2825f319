#include "mesh/stamp.h"

#include "netlink/fd.h"
#include "netlink/netns.h"
#include "json/field.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <stdexcept>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace mesh {

namespace {

constexpr const char* draft_suffix = ".new";

constexpr std::size_t way_length = 48; // an IPv6 CIDR has 43 characters at most, and a newline

[[noreturn]] void fail(const std::string& tried, const std::filesystem::path& path) {
    throw std::system_error(errno, std::generic_category(),
                            "cannot " + tried + ' ' + path.string());
}

/// Empty where there is none. What cannot be read is another thing: it holds what is to be undone.
std::string read_file(const std::filesystem::path& path) {
    const netlink::Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file && errno != ENOENT && errno != ENOTDIR)
        fail("read", path);
    std::string text;
    std::size_t used = 0;
    for (ssize_t size = 1; file && size > 0; used += static_cast<std::size_t>(size)) {
        text.resize(used + 4096);
        size = ::read(file.get(), text.data() + used, 4096);
        if (size < 0)
            fail("read", path);
    }
    text.resize(used);
    return text;
}

/// A stamp of a reconciliation that was not finished has none.
Node read_self(const json::Value& document) {
    return document.is_null() ? Node{} : read_node(json::Field(document));
}

/// One writer at a time: the mesh's lock is held.
void replace(const std::filesystem::path& path, const std::string& text) {
    auto draft = path;
    draft += draft_suffix;
    {
        const netlink::Fd file(
            ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!file ||
            ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
            fail("write", draft);
    }
    if (::rename(draft.c_str(), path.c_str()) != 0)
        fail("write", path);
}

void unlink(const std::filesystem::path& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        fail("remove", path);
}

} // namespace

std::string host_identity() {
    constexpr const char* path = "/proc/sys/kernel/random/boot_id";
    const std::string boot = read_file(path);
    if (boot.empty())
        fail("read", path);
    return boot.substr(0, boot.find('\n')) + ' ' + netlink::Netns::current().identity();
}

std::optional<Stamp> read_stamp(const std::filesystem::path& state_dir) {
    const std::string text = read_file(state_dir / stamp_name);
    if (text.empty())
        return std::nullopt;
    try {
        const json::Value document = json::parse(text);
        return Stamp{.network = document.at("network"),
                     .fingerprint = document.at("fingerprint"),
                     .host = document.at("host"),
                     .self = read_self(document.at("self")),
                     .pod_mtu = document.at("podMtu"),
                     .forwarding_turned_on = document.at("forwardingTurnedOn"),
                     .doubted = document.at("doubted")};
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

void write_stamp(const std::filesystem::path& state_dir, const Stamp& stamp) {
    replace(state_dir / stamp_name,
            json::Value{{"network", stamp.network},
                        {"fingerprint", stamp.fingerprint},
                        {"host", stamp.host},
                        {"self", stamp.self.name.empty() ? json::Value() : to_json(stamp.self)},
                        {"podMtu", stamp.pod_mtu},
                        {"forwardingTurnedOn", stamp.forwarding_turned_on},
                        {"doubted", stamp.doubted}}
                .dump());
}

void remove_ways(const std::filesystem::path& state_dir) {
    unlink(state_dir / ways_name);
}

void remove_stamp(const std::filesystem::path& state_dir) {
    unlink(state_dir / stamp_name);
    remove_ways(state_dir);
}

void write_ways(const std::filesystem::path& state_dir, const std::vector<ip::Cidr>& ways) {
    std::string text;
    text.reserve(ways.size() * way_length);
    for (const ip::Cidr& way : ways) {
        std::string line = way.to_string();
        line.resize(way_length - 1, ' ');
        text += line + '\n';
    }
    replace(state_dir / ways_name, text);
}

std::optional<std::vector<ip::Cidr>> read_ways(const std::filesystem::path& state_dir,
                                               std::uint64_t seed, std::size_t most) {
    const netlink::Fd file(
        ::open((state_dir / ways_name).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0)
        return std::nullopt;
    const std::size_t count = static_cast<std::size_t>(status.st_size) / way_length;
    std::vector<ip::Cidr> ways;
    for (std::size_t i = 0; i < std::min(most, count); ++i) {
        std::array<char, way_length> line{};
        const auto place = static_cast<off_t>((seed + i) % count * way_length);
        if (::pread(file.get(), line.data(), line.size(), place) != way_length)
            return std::nullopt;
        const std::string_view text(line.data(), line.size());
        try {
            ways.push_back(ip::Cidr::parse(text.substr(0, text.find(' '))));
        } catch (const std::invalid_argument&) {
            return std::nullopt;
        }
    }
    return ways;
}

bool is_mesh_file(std::string_view name) {
    for (const std::string file : {stamp_name, ways_name})
        if (name == file || name == file + draft_suffix)
            return true;
    return name == lock_name;
}

} // namespace mesh
