#include "ctl/uninstall.h"

#include "ctl/agent_lock.h"
#include "ctl/configurations.h"
#include "ctl/removal.h"
#include "ipam/boot_file.h"
#include "mesh/clear.h"
#include "mesh/lock.h"
#include "mesh/stamp.h"
#include "netlink/link.h"
#include "netlink/link_group.h"
#include "pods/names.h"

#include <algorithm>
#include <fcntl.h>
#include <optional>
#include <ostream>
#include <sys/stat.h>

namespace ctl {

namespace {

namespace fs = std::filesystem;

constexpr const char* bin_flag = "--cni-bin-dir";
constexpr const char* conf_flag = "--cni-conf-dir";
constexpr const char* etc_flag = "--etc-dir";
constexpr const char* state_flag = "--state-dir";
constexpr const char* stop_the_agent =
    "stop the agent first (kubectl -n kube-system delete daemonset ipipd)";

/// The same for all paths that lead there.
fs::path resolved(const fs::path& path) {
    std::error_code unknown;
    const fs::path found = fs::weakly_canonical(path, unknown);
    return unknown ? path : found;
}

bool is_mount_point(const fs::path& path) {
    struct statx status {};
    return ::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, 0, &status) == 0 &&
           (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

class Uninstall {
  public:
    Uninstall(const UninstallOptions& options, std::ostream& out, std::ostream& err)
        : options_(options), out_(out), err_(err), removal_(out, err, options.dry_run) {}

    int run() && {
        removal_.attempt(as_root,
                         [&] { configurations_ = find_configurations(options_.cni_conf_dir); });
        find_state_dirs();
        if (!agents_are_stopped())
            return 1;
        remove_configurations();
        wait_for_pods_in_the_making();
        remove_pod_links();
        remove_mesh();
        for (const fs::path& state_dir : state_dirs_)
            removal_.attempt(as_root, [&] { remove_state(state_dir); });
        for (const fs::path drop_in : cni::drop_ins) {
            const fs::path file = options_.etc_dir / drop_in.lexically_relative("/etc");
            remove_named(file.parent_path(), file.filename(), "the drop-in ", etc_flag);
        }
        for (const char* program : cni::programs)
            remove_named(options_.cni_bin_dir, program, "the program ", bin_flag);
        if (removal_.removed() == 0 && removal_.failures() == 0)
            out_ << "nothing of ipip-cni is left to remove" << std::endl;
        return removal_.failures() == 0 ? 0 : 1;
    }

  private:
    static constexpr const char* as_root = "run this again as root";

    void find_state_dirs() {
        const auto add = [&](const fs::path& state_dir) {
            const fs::path path = resolved(state_dir);
            if (std::ranges::find(state_dirs_, path) == state_dirs_.end())
                state_dirs_.push_back(path);
        };
        add(options_.state_dir);
        for (const Configuration& configuration : configurations_)
            if (configuration.state_dir)
                add(*configuration.state_dir);
    }

    bool agents_are_stopped() {
        for (const fs::path& state_dir : state_dirs_) {
            AgentLock lock = try_agent_lock(state_dir);
            const std::string runs = "ipipd runs on this host (it holds " +
                                     (state_dir / cni::agent_lock_name).string() +
                                     ") and would bring back what is removed; " + stop_the_agent;
            if (lock.agent_runs && !options_.dry_run) {
                removal_.fail(runs);
                return false;
            }
            if (lock.agent_runs)
                err_ << "ipipctl: " << runs << std::endl;
            if (lock.held && !options_.dry_run)
                locks_.push_back(*std::move(lock.held));
        }
        return true;
    }

    void remove_configurations() {
        for (const auto& [network, state_dir, file] : configurations_)
            removal_.remove_file(file,
                                 "the network configuration " + file.string() +
                                     (network.empty() ? "" : " (" + network + ')'),
                                 conf_flag);
        remove_drafts(options_.cni_conf_dir, cni::conflist_name, conf_flag);
    }

    void wait_for_pods_in_the_making() {
        if (options_.dry_run)
            return;
        for (const fs::path& state_dir : state_dirs_)
            removal_.attempt(as_root, [&] {
                if (auto lock = mesh::shut(state_dir))
                    locks_.push_back(*std::move(lock));
            });
    }

    void remove_pod_links() {
        removal_.attempt(as_root, [&] {
            netlink::Socket host;
            std::vector<netlink::Link> links = netlink::dump_links(host, "veth");
            std::erase_if(
                links, [](const netlink::Link& link) { return !pods::network_of_host_link(link); });
            std::ranges::sort(links, {}, &netlink::Link::alias);
            for (const netlink::Link& link : links)
                pod_links_.insert(link.index);
            std::vector<std::optional<netlink::Error>> troubles(links.size());
            if (!options_.dry_run)
                troubles = netlink::delete_links(host, links);
            for (std::size_t i = 0; i < links.size(); ++i)
                removal_.tell(
                    {.what = "the pod link " + links[i].name + " (" + links[i].alias + ')',
                     .by_hand = "ip link delete " + links[i].name,
                     .trouble = troubles[i] ? troubles[i]->what() : ""});
        });
    }

    void remove_mesh() {
        const std::size_t failures = removal_.failures();
        removal_.attempt(as_root, [&] {
            netlink::Socket host;
            for (const mesh::Remnant& remnant : mesh::clear(host, {.state_dirs = state_dirs_,
                                                                  .other_links = pod_links_,
                                                                  .only_look = options_.dry_run}))
                removal_.tell(remnant);
        });
        mesh_is_gone_ = removal_.failures() == failures;
    }

    void remove_state(const fs::path& state_dir) {
        const auto path_of = [&](const char* name) { return state_dir / name; };
        const auto is_lock = [](const fs::path& name) {
            return name == cni::agent_lock_name || name == mesh::lock_name;
        };
        auto files = entries_of(state_dir);
        // The locks keep others out until the last.
        std::stable_partition( // std::ranges' own is more than clang 14 takes
            files.begin(), files.end(),
            [&](const fs::path& file) { return !is_lock(file.filename()); });
        const std::size_t failures = removal_.failures();
        bool is_empty = fs::is_directory(state_dir);
        for (const fs::path& file : files) {
            if (is_state(file)) {
                if (file == path_of(mesh::stamp_name) && !mesh_is_gone_) {
                    removal_.keep(file.string() + ", which the next attempt needs");
                    is_empty = false;
                    continue;
                }
                removal_.remove_file(file, "the state file " + file.string(), state_flag);
            } else {
                removal_.keep(file.string() + ", which ipip-cni did not make");
                is_empty = false;
            }
        }
        if (!is_empty || removal_.failures() != failures)
            return;
        if (is_mount_point(state_dir))
            removal_.keep("the directory " + state_dir.string() + ", which is a mount point");
        else
            removal_.remove_directory(state_dir, state_flag);
    }

    static bool is_state(const fs::path& file) {
        const std::string name = file.filename();
        return !fs::is_directory(fs::symlink_status(file)) &&
               (ipam::is_lease_file(name) || mesh::is_mesh_file(name) ||
                name == cni::nodes_file_name || cni::is_draft_of(cni::nodes_file_name, name) ||
                name == cni::agent_lock_name);
    }

    void remove_named(const fs::path& directory, const fs::path& name, const std::string& kind,
                      const std::string& flag) {
        removal_.attempt(as_root, [&] {
            const fs::path file = directory / name;
            if (const auto status = fs::symlink_status(file);
                fs::exists(status) && !fs::is_directory(status))
                removal_.remove_file(file, kind + file.string(), flag);
        });
        remove_drafts(directory, name, flag);
    }

    void remove_drafts(const fs::path& directory, const fs::path& name, const std::string& flag) {
        removal_.attempt(as_root, [&] {
            for (const fs::path& file : entries_of(directory))
                if (cni::is_draft_of(name.native(), file.filename().native()))
                    removal_.remove_file(file, "the draft " + file.string(), flag);
        });
    }

    const UninstallOptions& options_;
    std::ostream& out_;
    std::ostream& err_;
    Removal removal_;
    std::vector<Configuration> configurations_;
    std::vector<fs::path> state_dirs_;
    std::vector<netlink::Fd> locks_; ///< they last until all is done
    std::set<int> pod_links_;
    bool mesh_is_gone_ = false;
};

} // namespace

int uninstall(const UninstallOptions& options, std::ostream& out, std::ostream& err) {
    return Uninstall(options, out, err).run();
}

} // namespace ctl
