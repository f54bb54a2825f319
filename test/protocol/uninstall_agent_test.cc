#include "test/protocol/agent_scene.h"
#include "test/protocol/uninstall.h"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

// ipipctl beside others: the agent, pods in the making, the DaemonSet that runs it.

namespace scene {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A lock on a file, which is made.
class Locked {
  public:
    explicit Locked(const std::filesystem::path& path)
        : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
        if (::flock(fd_, LOCK_EX | LOCK_NB) != 0)
            throw std::system_error(errno, std::generic_category(), "lock " + path.string());
    }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;
    ~Locked() { ::close(fd_); }

    /// Returns when somebody waits for it.
    void await_waiter() const {
        struct stat status {};
        ::fstat(fd_, &status);
        const std::string inode = ':' + std::to_string(status.st_ino) + ' ';
        for (;;) {
            std::ifstream locks("/proc/locks");
            for (std::string line; std::getline(locks, line);)
                if (line.find("->") != line.npos && line.find(inode) != line.npos)
                    return;
            std::this_thread::yield();
        }
    }

  private:
    int fd_;
};

using UninstallBesides = UninstallTest;

TEST_F(UninstallBesides, TheRunningAgentIsRefusedAndTouchesNothing) {
    install();
    const Json kernel = host.net().state();
    {
        const Locked agent(host.state_dir() / "ipipd.lock");
        const auto files = installation.files();
        const Output output = installation.uninstall();
        EXPECT_EQ(output.status, 1);
        EXPECT_EQ(output.out, "");
        EXPECT_EQ(output.err, "ipipctl: ipipd runs on this host (it holds "
                              "/run/ipip-cni/ipipd.lock) and would bring back what is removed; "
                              "stop the agent first (kubectl -n kube-system delete daemonset "
                              "ipipd)\n");
        EXPECT_TRUE(is_unchanged(host.net(), kernel));
        EXPECT_EQ(installation.files(), files);

        const Output rehearsal = installation.uninstall({"--dry-run"});
        EXPECT_EQ(rehearsal.status, 0);
        EXPECT_THAT(rehearsal.out, HasSubstr("would remove the pod link"));
        EXPECT_THAT(rehearsal.err, HasSubstr("stop the agent first"));
        EXPECT_EQ(installation.files(), files);
    }
    EXPECT_EQ(installation.uninstall().status, 0) << "it has ended";
    expect_nothing_left();
}

TEST_F(UninstallBesides, AnAgentWithAnotherStateDirectoryIsRefusedToo) {
    installation.put_configuration(
        Cluster::config(cluster.nodes(), {{"stateDir", "/run/elsewhere"}}));
    const auto elsewhere = host.folder() / "elsewhere";
    std::filesystem::create_directory(elsewhere);
    const Locked agent(elsewhere / "ipipd.lock");
    EXPECT_EQ(installation.uninstall().status, 1);
}

TEST_F(UninstallBesides, APodInTheMakingWaitsForItAndGoesToo) {
    install();
    const auto lock = host.state_dir() / "mesh.lock";
    std::optional<Locked> in_the_making(std::in_place, lock);
    Output output;
    std::thread uninstalling([&] { output = installation.uninstall(); });
    in_the_making->await_waiter();
    EXPECT_FALSE(std::filesystem::exists(installation.conf_dir() / "10-ipip.conflist"));
    EXPECT_TRUE(reaches(host.net(), "10.10.100.1")) << "nothing goes before it is alone";
    in_the_making.reset();
    uninstalling.join();
    EXPECT_EQ(output.status, 0) << output.err;
    expect_nothing_left();
}

TEST_F(UninstallBesides, APodThatComesWhileItGoesIsRefused) {
    install();
    std::optional<Locked> uninstalling(std::in_place, host.state_dir() / "mesh.lock");
    const Pod late("late");
    Output output;
    std::thread adding([&] {
        output = host.call(
            {.verb = "ADD", .config = config, .container = late.id, .netns = late.net.path()});
    });
    uninstalling->await_waiter();
    std::filesystem::remove_all(host.state_dir());
    uninstalling.reset();
    adding.join();
    EXPECT_THAT(refusal_of(output).message,
                StartsWith("ipip-cni was uninstalled from this host while this waited"));
    EXPECT_FALSE(std::filesystem::exists(host.state_dir())) << "and it makes nothing anew";
}

TEST_F(UninstallBesides, ADaemonSetStaysUntilItIsToldToEnd) {
    // Status 3: it ended by itself. A look for leaks at its end would be sleep, too.
    const std::string script = "export ASAN_OPTIONS=detect_leaks=0; mkfifo \"$0\"; "
                               "\"$@\" >\"$0\" & exec 3<\"$0\"; read line <&3; "
                               "state=R; while [ $state != S ]; do "
                               "read pid name state rest </proc/$!/stat || exit 3; "
                               "[ $state != Z ] || exit 3; done; "
                               "kill -TERM $!; wait $!";
    const Folder folder;
    const auto run = [&](const Words& options) {
        std::filesystem::remove(folder.path() / "pipe");
        return installation.uninstall_by(
            {.arguments = options,
             .wrapper = {"sh", "-c", script, (folder.path() / "pipe").string()}});
    };
    EXPECT_EQ(run({"--stay"}).status, 0);
    EXPECT_EQ(run({}).status, 3);
}

TEST_F(UninstallBesides, ADaemonSetIsStartedAgainAfterAFailure) {
    install();
    const Locked agent(host.state_dir() / "ipipd.lock");
    EXPECT_EQ(installation.uninstall({"--stay"}).status, 1);
}

TEST_F(UninstallBesides, AMisuseIsNotAFailure) {
    for (const char* misuse :
         {"", "frobnicate", "uninstall --frobnicate", "uninstall more", "uninstall --state-dir",
          "uninstall --state-dir run/ipip-cni", "uninstall --cni-bin-dir="}) {
        const Output output = installation.ctl({.arguments = split(misuse)});
        EXPECT_EQ(output.status, 2) << misuse;
        EXPECT_NE(output.err, "") << misuse;
        EXPECT_EQ(output.out, "") << misuse;
    }
    for (const char* question : {"--help", "uninstall --help", "--version"}) {
        const Output output = installation.ctl({.arguments = split(question)});
        EXPECT_EQ(output.status, 0) << question;
        EXPECT_NE(output.out, "") << question;
    }
}

using UninstallAfterAgent = AgentOnOneHost;

TEST_F(UninstallAfterAgent, TakesWhatItInstalledOnceItHasEnded) {
    for (const char* manager : {"etc/systemd/network", "etc/NetworkManager/conf.d"})
        std::filesystem::create_directories(host.folder() / manager);
    const Json before = host.net().state();
    const auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    const Pod pod("pod");
    host.add(pod, agent->config());
    const Installation installation(host);
    const auto uninstall = [&] {
        return installation.ctl(
            {.arguments = {"uninstall", "--cni-bin-dir", agent->bin_dir(), "--cni-conf-dir",
                           agent->conf_dir(), "--etc-dir", host.folder() / "etc"}});
    };
    EXPECT_EQ(uninstall().status, 1);
    EXPECT_TRUE(reaches(pod.net, "10.10.100.10"));
    EXPECT_EQ(agent->stop(SIGTERM), 0);

    const Output output = uninstall();
    EXPECT_EQ(output.status, 0) << output.err;
    EXPECT_TRUE(is_unchanged(host.net(), before));
    std::vector<std::string> left;
    for (const auto& [file, text] : installation.files())
        left.push_back(std::filesystem::path(file).filename());
    EXPECT_THAT(left, ::testing::UnorderedElementsAre("ipipd.log", "nodes"))
        << "which are the test's";
}

} // namespace
} // namespace scene
