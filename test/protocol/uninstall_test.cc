#include "test/protocol/uninstall.h"

#include <gmock/gmock.h>
#include <regex>
#include <sys/mount.h>
#include <sys/stat.h>

namespace scene {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const char* const nothing_left = "nothing of ipip-cni is left to remove\n";

TEST_F(UninstallTest, LeavesTheHostAsItWasBeforeTheFirstPod) {
    install();
    const Output output = installation.uninstall();
    EXPECT_EQ(output.status, 0);
    EXPECT_EQ(output.err, "");
    expect_nothing_left();
}

TEST_F(UninstallTest, TellsOfEachThingByNameAndOwner) {
    install();
    const std::string out = installation.uninstall().out;
    for (const char* line : {
             "removed the network configuration /etc/cni/net.d/10-ipip.conflist \\(podnet\\)",
             "removed the pod link veth[0-9a-f]{11} \\(podnet: web eth0\\)",
             "removed the pod link veth[0-9a-f]{11} \\(podnet: db eth0\\)",
             "removed the unreachable route 10.10.100.0/24 \\(protocol 94\\)",
             "removed the tunnel endpoint's address 10.10.100.10/32 \\(lo:ipip\\)",
             "removed forwarding on eth0 \\(turned on for podnet\\)",
             "removed the nftables table inet ipip-cni",
             "removed the state file /run/ipip-cni/leases-[-0-9a-f]{36}.mdb",
             "removed the state file /run/ipip-cni/mesh.stamp",
             "removed the state file /run/ipip-cni/mesh.ways",
             "removed the state file /run/ipip-cni/mesh.lock",
             "removed the directory /run/ipip-cni",
             "removed the drop-in /etc/systemd/network/00-ipip-cni.network",
             "removed the drop-in /etc/NetworkManager/conf.d/ipip-cni.conf",
             "removed the program .*/ipip",
             "removed the program .*/ipip-ipam",
             "removed the program .*/ipipctl",
         })
        EXPECT_TRUE(std::regex_search(out, std::regex(std::string("(^|\n)") + line + "\n")))
            << line << " is not in:\n"
            << out;
    EXPECT_EQ(std::ranges::count(out, '\n'), 17) << out;
}

TEST_F(UninstallTest, TakesTheWayInBeforeThePodsAndTheProgramsLast) {
    install();
    const std::string out = installation.uninstall().out;
    std::size_t last = 0;
    for (const char* thing : {"network configuration", "pod link", "unreachable route", "nftables",
                              "leases", "mesh.lock", "drop-in", "program"}) {
        const std::size_t at = out.find(thing);
        ASSERT_NE(at, out.npos) << thing;
        EXPECT_GE(at, last) << thing << " is too early in:\n" << out;
        last = at;
    }
}

TEST_F(UninstallTest, ASecondTimeHasNothingToDo) {
    install();
    installation.uninstall();
    const Output output = installation.uninstall();
    EXPECT_EQ(output.status, 0);
    EXPECT_EQ(output.out, nothing_left);
    EXPECT_EQ(output.err, "");
    expect_nothing_left();
}

TEST_F(UninstallTest, OfAHostThatNeverHadItDoesNothing) {
    EXPECT_EQ(installation.uninstall().out, nothing_left);
    EXPECT_EQ(installation.uninstall({"--dry-run"}).out, nothing_left);
    expect_nothing_left();
}

TEST_F(UninstallTest, AsADryRunChangesNothingAndTellsWhatWouldGo) {
    install();
    const Json kernel = host.net().state();
    const auto files = installation.files();
    const Output rehearsal = installation.uninstall({"--dry-run"});
    EXPECT_EQ(rehearsal.status, 0);
    EXPECT_EQ(rehearsal.err, "");
    EXPECT_TRUE(is_unchanged(host.net(), kernel));
    EXPECT_EQ(installation.files(), files);
    EXPECT_TRUE(reaches(host.net(), "10.10.100.1"));
    EXPECT_EQ(std::regex_replace(rehearsal.out, std::regex("would remove"), "removed"),
              installation.uninstall().out);
}

TEST_F(UninstallTest, LeavesWhatOthersMade) {
    host.net().ip("link add veth0123456789a type veth peer name p0\n"
                  "link add veth0123456789b type veth peer name p1\n"
                  "link set veth0123456789b alias mine\n"
                  "link add veth0123456789c type veth peer name p2\n"
                  "link set veth0123456789c alias a-note:\n"
                  "link add vethabc type veth peer name p3\n"
                  "link set vethabc group 94000\n"
                  "address add 192.168.8.1/32 dev lo\n"
                  "route add 10.78.0.0/16 dev eth0 proto 93\n"
                  "route add unreachable 10.79.0.0/16 metric 4096\n"
                  "rule add from 10.80.0.0/16 table 7\n");
    ASSERT_EQ(host.net().run("nft add table inet other").status, 0);
    ASSERT_EQ(host.net().run("nft add table ip ipip-cni").status, 0);
    before = host.net().state();
    const std::string chain = R"({"name": "x", "plugins": [{"type": "ptp"}, {"type": "ipip"}]})";
    Installation::put(installation.conf_dir() / "05-chain.conflist", chain);
    Installation::put(installation.conf_dir() / "06-other.conf", R"({"type": "ipip-ipam"})");
    Installation::put(installation.conf_dir() / "07-broken.conflist", R"({"type": "ipip")");
    Installation::put(installation.conf_dir() / "10-ipip.conflist.bak", R"({"type": "ipip"})");
    Installation::put(installation.conf_dir() / ".10-ipip.conflist.swp", "x");
    ASSERT_EQ(::mkfifo((installation.conf_dir() / "08-pipe.conf").c_str(), 0600), 0);
    Installation::put(installation.bin_dir() / "ipip-other");
    Installation::put(installation.etc("systemd/network/10-eth0.network"));
    const auto files = installation.files();
    install();
    const Output output = installation.uninstall();
    EXPECT_EQ(output.status, 0);
    EXPECT_TRUE(is_unchanged(host.net(), before));
    EXPECT_EQ(installation.files(), files);
    for (const char* foreign :
         {"veth012345", "vethabc", "10.78", "10.79", "192.168.8.1", "05-chain", "06-other",
          "07-broken", ".bak", ".swp", "08-pipe", "ipip-other", "10-eth0"})
        EXPECT_THAT(output.out + output.err, Not(HasSubstr(foreign)));
}

TEST_F(UninstallTest, NamesUnknownFilesInTheStateDirectoryAndLeavesThem) {
    install();
    Installation::put(host.state_dir() / "leases-of-my-own");
    Installation::put(host.state_dir() / "notes/mesh.stamp");
    const Output output = installation.uninstall();
    EXPECT_EQ(output.status, 0);
    EXPECT_THAT(output.out,
                AllOf(HasSubstr("kept /run/ipip-cni/leases-of-my-own, which ipip-cni did not make"),
                      HasSubstr("kept /run/ipip-cni/notes, which"),
                      Not(HasSubstr("the directory /run/ipip-cni"))));
    EXPECT_EQ(installation.files().size(), 2U);
    EXPECT_THAT(installation.uninstall().out, HasSubstr(nothing_left));
    EXPECT_TRUE(is_unchanged(host.net(), before));
}

TEST_F(UninstallTest, TakesWhatTheInstallerLeftHalfWritten) {
    install();
    for (const auto& file :
         {installation.conf_dir() / ".10-ipip.conflist.a8Xb01",
          installation.bin_dir() / ".ipip.000000", host.state_dir() / ".nodes.json.ZZZZZZ",
          host.state_dir() / "nodes.json", host.state_dir() / "mesh.stamp.new",
          installation.etc("NetworkManager/conf.d/.ipip-cni.conf.123abc")})
        Installation::put(file);
    EXPECT_EQ(installation.uninstall().status, 0);
    expect_nothing_left();
}

TEST_F(UninstallTest, OfSeveralNetworksAndListsTakesThemAll) {
    install();
    installation.put(installation.conf_dir() / "99-hand.conf", config);
    // A host has one mesh: the other network's link was left by an earlier one.
    host.net().ip("link add veth0123456789d type veth peer name p0\n"
                  "link set veth0123456789d alias \"othernet: default/web eth0\"\n");
    const Output output = installation.uninstall();
    EXPECT_THAT(output.out, HasSubstr("veth0123456789d (othernet: default/web eth0)"));
    EXPECT_THAT(output.out, HasSubstr("99-hand.conf (podnet)"));
    expect_nothing_left();
}

TEST_F(UninstallTest, TakesAPodsLinkUnderAnotherName) {
    install();
    const Json links = host.net().json("ip -j link show");
    const auto is_a_pods = [](const Json& each) {
        return each.at("ifname").get<std::string>().starts_with("veth");
    };
    const std::string link = std::ranges::find_if(links, is_a_pods)->at("ifname");
    host.net().ip("link set " + link + " down\nlink set " + link + " name mine\n");
    EXPECT_THAT(installation.uninstall().out, HasSubstr("removed the pod link mine (podnet: "));
    expect_nothing_left();
}

TEST_F(UninstallTest, ClearsTheMeshWithoutItsStamp) {
    host.net().set_sysctl("net/ipv4/conf/eth0/forwarding", "1");
    before = host.net().state();
    install();
    std::filesystem::remove_all(host.state_dir());
    EXPECT_EQ(installation.uninstall().status, 0);
    expect_nothing_left();
}

TEST_F(UninstallTest, DoesNotTakeTheWordOfAnEarlierBootAboutForwarding) {
    install();
    const auto stamp = host.state_dir() / "mesh.stamp";
    std::string text = installation.files().at(stamp);
    ASSERT_THAT(text, HasSubstr("\nforwarding-turned-on eth0\n"));
    const std::string key = "\nhost ";
    text.insert(text.find(key) + key.size(), "00000000-0000-0000-0000-000000000000 ");
    Installation::put(stamp, text);
    Installation::put(host.state_dir() / "leases-00000000-0000-0000-0000-000000000000.mdb");
    const Output output = installation.uninstall();
    EXPECT_EQ(output.status, 0);
    EXPECT_THAT(output.out, Not(HasSubstr("forwarding")));
    EXPECT_EQ(host.net().sysctl("net/ipv4/conf/eth0/forwarding"), "1");
    host.net().set_sysctl("net/ipv4/conf/eth0/forwarding", "0");
    expect_nothing_left();
}

TEST_F(UninstallTest, FindsTheStateDirectoryInTheConfiguration) {
    Json elsewhere = Json::parse(config);
    elsewhere["stateDir"] = "/run/elsewhere";
    config = elsewhere.dump();
    install();
    const Output output = installation.uninstall();
    EXPECT_THAT(output.out, HasSubstr("removed the directory /run/elsewhere"));
    EXPECT_THAT(output.out, HasSubstr("removed forwarding on eth0"));
    expect_nothing_left();
}

TEST_F(UninstallTest, LeavesAStateDirectoryThatIsAMountPoint) {
    install();
    const auto mount_it = [&] {
        if (::mount("/run/ipip-cni", "/run/ipip-cni", nullptr, MS_BIND, nullptr) != 0)
            throw std::runtime_error("cannot mount");
    };
    for (const char* expected : {"removed the program", nothing_left}) {
        const Output output = installation.uninstall_by({.prepare = mount_it});
        EXPECT_EQ(output.status, 0) << output.err;
        EXPECT_THAT(output.out,
                    HasSubstr("kept the directory /run/ipip-cni, which is a mount point"));
        EXPECT_THAT(output.out, HasSubstr(expected));
    }
    EXPECT_TRUE(std::filesystem::remove(host.state_dir())) << "it is empty";
    expect_nothing_left();
}

} // namespace
} // namespace scene
