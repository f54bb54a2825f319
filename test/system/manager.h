#pragma once

#include "test/system/agent.h"

#include <gmock/gmock.h>
#include <sys/mount.h>

// The network managers of a distribution, as it runs them, on a host with our network.

namespace scene {

/// A host's programs as they see it: its own devices under /sys, its own configuration of the
/// network managers and what they keep. All of it is under `etc` and the host's folder.
class ManagedHost {
  public:
    ManagedHost(const Host& host, std::filesystem::path etc);

    const std::filesystem::path& etc() const { return etc_; }
    /// Writes a file, its folders included: "systemd/network/10-all.network".
    void configure(const std::string& path, const std::string& text) const;

    /// As in a container: without a udev, where programs take devices as they are.
    void do_without_udev() { sys_flags_ = MS_RDONLY; }

    std::unique_ptr<Process> start(const Words& words) const;
    Output run(const std::string& line) const;
    /// What all of them wrote.
    std::string log() const;

  private:
    void enter() const;

    const Host& host_;
    std::filesystem::path etc_;
    std::filesystem::path log_;
    unsigned long sys_flags_ = 0; ///< of mount(2)
};

/// Two hosts with agents' meshes and a pod on each. A manager runs on the first, where it has a
/// foreign device to manage too, `canary` with an address: what is done to that shows that it
/// works.
class BesideAManager : public ::testing::Test {
  protected:
    static constexpr const char* tunnel = "ipip-ac10057f";

    BesideAManager();
    /// With the drop-ins, or without.
    void install(bool drop_ins);
    void start_agent();
    void stop_agent() { agent.reset(); }

    /// The addresses of lo and our links and all of our routes, the unreachable one only if asked.
    Json ours(bool with_unreachable = true) const;
    bool has_canary_address() const;
    int index_of(const std::string& device) const;
    ::testing::AssertionResult comes_back(const Json& before) const;

    Cluster cluster{2};
    Host& host = cluster.host(1);
    std::unique_ptr<ManagedHost> managed;
    std::unique_ptr<Agent> agent;
    Pod near{"near"};
    Pod far{"far"};
    std::string link;  ///< the near pod's, on the host
    std::string there; ///< the far pod's address
};

} // namespace scene
