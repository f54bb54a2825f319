#pragma once

#include "agent/feasible.h"
#include "agent/health.h"
#include "agent/install.h"
#include "agent/nodes_file.h"
#include "agent/opponents.h"
#include "agent/options.h"
#include "agent/roster.h"
#include "ipam/store.h"
#include "mesh/admission.h"
#include "mesh/standing.h"

#include <chrono>
#include <map>
#include <optional>
#include <set>

namespace agent {

/// Keeps this host's mesh as the last roster wants it, against whoever changes it, and leaves
/// beside it what the plugin needs: the nodes file, then programs and network configuration.
///
/// It is told that something may be different and looks for itself when it is due: some
/// milliseconds after news, so that much news is one look; every half minute without any; and
/// later, each time longer, after a failure. Until a roster comes it goes by the nodes file that
/// it left when it ended, so that also a restart without an API server keeps the mesh.
class Keeper {
  public:
    using Clock = std::chrono::steady_clock;

    Keeper(const Options& options, Health& health);

    void take(const Roster& roster);
    /// The kernel told of changes, made by these processes.
    void kernel_changed(const std::set<int>& processes);

    /// When look() is to be called.
    Clock::time_point due() const { return due_; }
    void look();

    /// This host's node as the last roster had it; none where it was not in it.
    const std::optional<Candidate>& self() const { return self_; }

  private:
    void resume();
    void note_problems(const Roster& roster, const mesh::Admission::Verdict& verdict);
    void note_self(const Roster& roster);
    void want(std::vector<mesh::Node> nodes);
    void note_change();
    std::optional<std::string> self_name() const;
    void keep();
    void do_chores();
    void restore_nodes_file();
    mesh::Reconciled enforce();
    bool leave_out(const mesh::Conflict& conflict);
    void make();
    void repair(const std::vector<std::string>& wrongs);
    void break_off_fight(const std::vector<std::string>& repairs);
    void audit();
    void audit_pods();
    std::vector<ipam::Lease> free_abandoned(ipam::Store& store);
    void install();
    void fail(const std::string& why);
    void look_by(std::chrono::milliseconds time);

    const Options& options_;
    Health& health_;
    std::filesystem::path state_dir_;
    NodesFile nodes_file_;
    mesh::Settings settings_;
    Installation installation_;
    mesh::Admission admission_;
    Feasible feasible_;
    mesh::Node own_; ///< of these, since the mesh was made
    std::optional<Candidate> self_;
    std::map<std::string, std::string> problems_; ///< said already, by node
    std::vector<std::string> rivals_;             ///< said already
    std::vector<std::string> in_pods_way_;        ///< said already
    netlink::Socket route_;
    bool changed_ = false; ///< the nodes, since the mesh was made
    Opponents opponents_;
    std::chrono::milliseconds backoff_{0};
    std::chrono::milliseconds chores_backoff_{0};
    Clock::time_point due_;
};

} // namespace agent
