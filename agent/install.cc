#include "agent/install.h"

#include "agent/atomic_file.h"
#include "cni/host_files.h"
#include "cni/version.h"

#include <algorithm>
#include <sys/stat.h>

namespace agent {

namespace {

namespace fs = std::filesystem;

constexpr unsigned for_all = 0644;
constexpr unsigned program = 0755;

// Tunnels and the host ends of pods, "veth" with eleven digits; other veth devices have fewer.
constexpr const char* networkd_drop_in =
    R"(# Written by ipipd: the pod network's devices are its own.
[Match]
Name=ipip-* veth???????????

[Link]
Unmanaged=yes
)";
// A section for each way: other networks' files may set unmanaged-devices anew, without us; and
// against it nothing of a lower rank has a say, udev's rules among them.
constexpr const char* network_manager_drop_in =
    R"(# Written by ipipd: the pod network's devices are its own.
[keyfile]
unmanaged-devices+=interface-name:ipip-*;interface-name:veth???????????

[device-ipip-cni]
match-device=interface-name:ipip-*;interface-name:veth???????????
managed=0
)";

std::string installed(const fs::path& path) {
    return "installed " + path.string();
}

/// The runtime takes the highest of `cniVersions` and `cniVersion` together.
std::string lowest(const std::vector<json::Field>& versions) {
    std::string lowest = versions.front().string();
    for (const json::Field& version : versions)
        if (cni::at_least(lowest, version.string()))
            lowest = version.string();
    return lowest;
}

} // namespace

Installation::State Installation::state_of(const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
        return {};
    return {status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
            status.st_mtim.tv_nsec};
}

bool Installation::copy(const fs::path& from, const fs::path& to) {
    const auto both = [&] { return std::pair(state_of(from), state_of(to)); };
    if (const auto before = compared_.find(to);
        before != compared_.end() && before->second == both())
        return false;
    const auto content = read_file(from);
    if (!content)
        throw std::system_error(ENOENT, std::generic_category(),
                                "--program-dir: cannot read " + from.string());
    const bool changed = put_file(to, *content, program);
    compared_.insert_or_assign(to, both());
    return changed;
}

std::string Installation::conflist() const {
    json::Value own = options_.network;
    for (const char* key : {"name", "plugins", "cniVersion", "cniVersions"})
        own.erase(key);
    own["type"] = "ipip";
    own["nodesFile"] = options_.state_dir() / cni::nodes_file_name;
    own["capabilities"] = {{"ips", true}, {"mac", true}, {"dns", true}, {"ipRanges", true}};
    json::Value plugins = json::Value::array({std::move(own)});
    if (const auto more = json::Field(options_.network).find("plugins"))
        for (const json::Field& plugin : more->array())
            plugins.push_back(plugin.value());
    // Runtimes older than version 1.1.0 refuse a list that is of it; the others take the highest.
    json::Value list{{"cniVersion", "1.0.0"}, {"cniVersions", {"0.4.0", "1.0.0", "1.1.0"}}};
    // Or as the user says, since a plugin behind ours may serve less.
    const json::Field network(options_.network);
    const auto version = network.find("cniVersion");
    const auto versions = network.find("cniVersions");
    if (version || versions)
        list = {{"cniVersion", version ? version->string() : lowest(versions->array())}};
    if (versions)
        list["cniVersions"] = versions->value();
    list["name"] = options_.network.at("name");
    list["plugins"] = std::move(plugins);
    return list.dump(2) + '\n';
}

std::vector<std::string> Installation::complete() {
    std::vector<std::string> lines;
    const auto note = [&](bool changed, const fs::path& path) {
        if (changed)
            lines.push_back(installed(path));
    };
    if (!options_.program_dir.empty())
        for (const char* name : cni::programs)
            note(copy(options_.program_dir / name, options_.cni_bin_dir / name),
                 options_.cni_bin_dir / name);
    const fs::path list = options_.cni_conf_dir / cni::conflist_name;
    note(put_file(list, conflist(), for_all), list);
    return lines;
}

std::vector<std::string> Installation::tell_network_managers() {
    std::vector<std::string> lines;
    for (const auto& [path, content] :
         {std::pair(cni::networkd_network_file, networkd_drop_in),
          std::pair(cni::network_manager_file, network_manager_drop_in)}) {
        const fs::path place = options_.etc_dir / fs::path(path).lexically_relative("/etc");
        if (fs::is_directory(place.parent_path()) && // else the host has no such manager
            put_file(place, content, for_all))
            lines.push_back(installed(place));
    }
    return lines;
}

std::vector<std::string> Installation::rivals() const {
    std::vector<std::string> rivals;
    std::error_code ignored;
    for (const fs::directory_entry& entry :
         fs::directory_iterator(options_.cni_conf_dir, ignored)) {
        const fs::path extension = entry.path().extension();
        if ((extension == ".conf" || extension == ".conflist" || extension == ".json") &&
            entry.path().filename() < cni::conflist_name)
            rivals.push_back(entry.path());
    }
    std::ranges::sort(rivals);
    return rivals;
}

} // namespace agent
