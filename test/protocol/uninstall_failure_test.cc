#include "test/protocol/uninstall.h"

#include <gmock/gmock.h>
#include <sys/mount.h>

namespace scene {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

using FailedUninstall = UninstallTest;

TEST_F(FailedUninstall, NamesThePathAndTheMendAndDoesTheRest) {
    install();
    const auto pin = [] { // a file that something is mounted on cannot be removed
        for (const char* path : {"/etc/cni/net.d/10-ipip.conflist", "/run/ipip-cni/mesh.stamp"})
            if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0)
                throw std::runtime_error("cannot mount");
    };
    const Output output = installation.uninstall_by({.prepare = pin});
    EXPECT_EQ(output.status, 1);
    EXPECT_EQ(std::ranges::count(output.err, '\n'), 2) << output.err;
    EXPECT_THAT(output.err,
                AllOf(HasSubstr("ipipctl: the network configuration "
                                "/etc/cni/net.d/10-ipip.conflist (podnet): cannot remove it "
                                "(--cni-conf-dir): Device or resource busy; run this again as "
                                "root, or do it by hand: rm /etc/cni/net.d/10-ipip.conflist\n"),
                      HasSubstr("rm /run/ipip-cni/mesh.stamp\n")));
    EXPECT_THAT(output.out, Not(HasSubstr("10-ipip.conflist")));
    EXPECT_TRUE(is_unchanged(host.net(), before));
    EXPECT_EQ(installation.files().size(), 2U);

    EXPECT_EQ(installation.uninstall().status, 0);
    expect_nothing_left();
}

TEST_F(FailedUninstall, OfTheNetworkNamesEachThingThatIsLeftAndWhatRemovesIt) {
    install();
    const Json kernel = host.net().state();
    const Output output = installation.uninstall_by(
        {.wrapper = {"setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"}});
    EXPECT_EQ(output.status, 1);
    EXPECT_TRUE(is_unchanged(host.net(), kernel));
    for (const char* by_hand :
         {"ip link delete veth", "ip route delete 10.10.100.0/24 proto 94 metric 4096",
          "ip address delete 10.10.100.10/32 dev lo", "sysctl -w net/ipv4/conf/eth0/forwarding=0",
          "nft delete table inet ipip-cni"})
        EXPECT_THAT(output.err, ContainsRegex("(not permitted|Permission denied); run this again "
                                              "as root, or do it by hand: " +
                                              std::string(by_hand)));
    EXPECT_THAT(output.out,
                HasSubstr("kept /run/ipip-cni/mesh.stamp, which the next attempt needs"));
    EXPECT_EQ(installation.files().size(), 1U) << "what needs no such right has gone";

    EXPECT_EQ(installation.uninstall().status, 0);
    expect_nothing_left();
}

TEST_F(FailedUninstall, ThatCannotTellWhetherTheAgentRunsDoesNothing) {
    install();
    std::filesystem::create_directory(host.state_dir() / "ipipd.lock");
    const Json kernel = host.net().state();
    const auto files = installation.files();
    const Output output = installation.uninstall();
    EXPECT_EQ(output.status, 1);
    EXPECT_EQ(output.err, "ipipctl: cannot lock /run/ipip-cni/ipipd.lock (--state-dir): Is a "
                          "directory; run this as root\n");
    EXPECT_TRUE(is_unchanged(host.net(), kernel));
    EXPECT_EQ(installation.files(), files);
}

/// Fails the Nth request to the kernel, for N = 1, 2, ... until a run is not touched by it.
class UninstallSweep : public UninstallTest {
  protected:
    void sweep(const std::string& fault, int status) {
        int failures = 0;
        for (int n = 1; n < 200; ++n) {
            install();
            const std::string injection = "inject=sendmsg:" + fault + ":when=" + std::to_string(n);
            const Output output = installation.uninstall_by(
                {.wrapper = {"env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-f", "-qq", "-o",
                             "/dev/null", "-e", "trace=sendmsg", "-e", injection}});
            if (output.status == 0) {
                EXPECT_GE(failures, 5) << "the sweep touched nothing";
                expect_nothing_left();
                return;
            }
            ++failures;
            EXPECT_EQ(output.status, status) << n << ": " << output.err;
            const Output second = installation.uninstall();
            EXPECT_EQ(second.status, 0) << n << ": " << second.err;
            expect_nothing_left();
            if (HasFailure())
                FAIL() << "after a failure of request " << n << ", which said\n" << output.err;
        }
        FAIL() << "no end of calls";
    }
};

TEST_F(UninstallSweep, WhicheverRequestTheKernelRefusesTheNextRunDoesTheRest) {
    sweep("error=ENOBUFS", 1);
}

TEST_F(UninstallSweep, KilledAtAnyRequestTheNextRunDoesTheRest) {
    sweep("signal=SIGKILL", 128 + 9);
}

} // namespace
} // namespace scene
