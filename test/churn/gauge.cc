#include "test/churn/gauge.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace scene {

namespace {

namespace fs = std::filesystem;

std::size_t entries(const fs::path& directory) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

/// Processes of the plugin in the host's namespace. A DEL leaves one that waits for the kernel's
/// answer.
std::size_t helpers_on(const Host& host) {
    const fs::path program = fs::path(PROGRAMS) / "ipip";
    const fs::path home = fs::read_symlink(host.net().path());
    std::size_t found = 0;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator("/proc", gone))
        if (fs::read_symlink(entry.path() / "exe", gone) == program &&
            fs::read_symlink(entry.path() / "ns/net", gone) == home)
            ++found;
    return found;
}

/// "= 42" at the end of a line of strace; 0 for others.
std::size_t returned(const std::string& line) {
    const auto sign = line.rfind(" = ");
    if (sign == line.npos || !std::isdigit(static_cast<unsigned char>(line[sign + 3])))
        return 0;
    return std::stoul(line.substr(sign + 3));
}

/// Without IPv6's own for multicast, which come with a device's carrier, some time after it.
std::size_t routes_in(const Json& shown) {
    return static_cast<std::size_t>(std::ranges::count_if(
        shown, [](const Json& route) { return route.value("type", "") != "multicast"; }));
}

} // namespace

Gauge read_gauge(const Host& host, const Agent& agent) {
    const auto shown = host.net().ip("link show\nroute show table all\nrule show\n");
    const fs::path process = "/proc/" + std::to_string(agent.pid());
    Gauge gauge{.links = shown.at(0).size(),
                .routes = routes_in(shown.at(1)),
                .rules = shown.at(2).size(),
                .nftables = host.net().json("nft -j list ruleset").at("nftables").size(),
                .helpers = helpers_on(host),
                .descriptors = entries(process / "fd"),
                .threads = entries(process / "task"),
                .files = {}};
    for (const auto& entry : fs::directory_iterator(host.state_dir()))
        gauge.files.insert(entry.path().filename());
    return gauge;
}

std::string describe(const Gauge& gauge) {
    std::ostringstream text;
    text << gauge.links << " links, " << gauge.routes << " routes, " << gauge.rules << " rules, "
         << gauge.nftables << " objects of nftables, " << gauge.helpers << " helpers, "
         << gauge.descriptors << " descriptors, " << gauge.threads << " threads, files:";
    for (const std::string& file : gauge.files)
        text << ' ' << file;
    return text.str();
}

std::size_t memory_of(pid_t process, const std::string& name) {
    std::ifstream file("/proc/" + std::to_string(process) + "/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(name + ':'))
            return std::stoul(line.substr(name.size() + 1)) * 1024;
    throw std::runtime_error("process " + std::to_string(process) + " has no " + name);
}

std::size_t lease_bytes(const Host& host) {
    for (const auto& entry : fs::directory_iterator(host.state_dir()))
        if (entry.path().extension() == ".mdb")
            return entry.file_size();
    throw std::runtime_error("there is no file with leases");
}

Effort effort_of(const Host& host, Call call) {
    const Folder folder;
    const std::string file = folder.path() / "trace";
    call.wrapper = {"strace", "-f", "-qq", "-s", "0", "-v", "-o", file};
    const Output output = host.call(call);
    if (output.status != 0)
        throw std::runtime_error(call.verb + " under strace: " + output.out + output.err);
    Effort effort;
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        const std::string what = line.substr(line.find_first_not_of("0123456789 "));
        if (what.starts_with("---") || what.starts_with("+++") || what.starts_with("<..."))
            continue;
        ++effort.calls;
        for (auto at = what.find("nlmsg_type="); at != what.npos && what.starts_with("send");
             at = what.find("nlmsg_type=", at + 1))
            ++effort.messages;
        if (what.starts_with("read") || what.starts_with("pread") || what.starts_with("recv"))
            effort.bytes += returned(what);
    }
    return effort;
}

} // namespace scene
