#include "mesh/stamp.h"

#include "mesh/lock.h"
#include "netlink/fd.h"
#include "netlink/netns.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
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

constexpr std::string_view last_line = "end"; // what was cut short has none

// A line for each value behind its key; no value has line ends, see read_node and the network's
// name. As JSON it would take every ADD a sixth more instructions.
std::string to_text(const Stamp& stamp) {
    std::string text;
    const auto put = [&](std::string_view key, const std::string& value) {
        text.append(key).append(" ").append(value).append("\n");
    };
    const auto put_all = [&](std::string_view key, const auto& values) {
        for (const auto& value : values)
            put(key, value.to_string());
    };
    put("network", stamp.network);
    put("fingerprint", stamp.fingerprint);
    put("host", stamp.host);
    put("self", stamp.self.name);
    put_all("address", stamp.self.addresses);
    put_all("pod-cidr", stamp.self.pod_cidrs);
    put_all("tunnel-address", stamp.self.tunnel_addresses);
    put("pod-mtu", std::to_string(stamp.pod_mtu));
    for (const std::string& device : stamp.forwarding_turned_on)
        put("forwarding-turned-on", device);
    put("doubted", stamp.doubted ? "yes" : "no");
    return text.append(last_line).append("\n");
}

/// Throws std::invalid_argument.
std::uint32_t to_number(std::string_view text) {
    std::uint32_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || rest != end)
        throw std::invalid_argument("no number");
    return value;
}

/// False for a key that this version does not know. Throws std::invalid_argument.
bool take_line(Stamp& stamp, std::string_view key, std::string_view value) {
    if (key == "network")
        stamp.network = value;
    else if (key == "fingerprint")
        stamp.fingerprint = value;
    else if (key == "host")
        stamp.host = value;
    else if (key == "self")
        stamp.self.name = value;
    else if (key == "address")
        stamp.self.addresses.push_back(ip::Address::parse(value));
    else if (key == "pod-cidr")
        stamp.self.pod_cidrs.push_back(ip::Cidr::parse(value));
    else if (key == "tunnel-address")
        stamp.self.tunnel_addresses.push_back(ip::Address::parse(value));
    else if (key == "pod-mtu")
        stamp.pod_mtu = to_number(value);
    else if (key == "forwarding-turned-on")
        stamp.forwarding_turned_on.emplace_back(value);
    else if (key == "doubted")
        stamp.doubted = value == "yes";
    else
        return false;
    return true;
}

/// A later version may have told more: what there is to undo holds all the same.
std::optional<Stamp> from_text(std::string_view text) {
    Stamp stamp;
    bool is_of_later_version = false;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        if (line == last_line) {
            stamp.doubted = stamp.doubted || is_of_later_version;
            return stamp.host.empty() ? std::nullopt : std::optional(std::move(stamp));
        }
        const std::size_t space = line.find(' ');
        if (space == std::string_view::npos || line.size() == text.size())
            return std::nullopt;
        if (!take_line(stamp, line.substr(0, space), line.substr(space + 1)))
            is_of_later_version = true;
        text.remove_prefix(line.size() + 1);
    }
    return std::nullopt;
}

/// One writer at a time: the mesh's lock is held.
void replace(const std::filesystem::path& path, const std::string& text) {
    auto draft = path;
    draft += draft_suffix;
    {
        const netlink::Fd file(
            ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!file)
            fail("write", draft);
        for (std::string_view rest = text; !rest.empty();) { // a disk that fills up takes a part
            const ssize_t size = ::write(file.get(), rest.data(), rest.size());
            if (size < 0 && errno != EINTR)
                fail("write", draft);
            rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        }
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
    try {
        return from_text(read_file(state_dir / stamp_name));
    } catch (const std::invalid_argument&) {
        return std::nullopt;
    }
}

void write_stamp(const std::filesystem::path& state_dir, const Stamp& stamp) {
    replace(state_dir / stamp_name, to_text(stamp));
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
    const std::size_t wanted = std::min(most, count);
    const std::size_t first = count == 0 ? 0 : seed % count;
    const std::size_t before_end = std::min(wanted, count - first);
    std::string text(wanted * way_length, '\0');
    const auto read_lines = [&](std::size_t from, std::size_t lines, char* to) {
        const std::size_t size = lines * way_length;
        return size == 0 || ::pread(file.get(), to, size, static_cast<off_t>(from * way_length)) ==
                                static_cast<ssize_t>(size);
    };
    if (!read_lines(first, before_end, text.data()) ||
        !read_lines(0, wanted - before_end, text.data() + before_end * way_length))
        return std::nullopt;
    std::vector<ip::Cidr> ways;
    try {
        for (std::size_t at = 0; at < text.size(); at += way_length) {
            const auto line = std::string_view(text).substr(at, way_length);
            ways.push_back(ip::Cidr::parse(line.substr(0, line.find(' '))));
        }
    } catch (const std::invalid_argument&) {
        return std::nullopt;
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
