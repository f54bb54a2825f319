#include "agent/install.h"

#include "agent/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace agent {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class Install : public testing::Test {
  protected:
    Install() {
        std::string pattern = testing::TempDir() + "ipip-install-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
        options_.cni_bin_dir = folder_ / "bin";
        options_.cni_conf_dir = folder_ / "conf";
        options_.etc_dir = folder_ / "etc";
        options_.program_dir = folder_ / "image";
        options_.network = {{"name", "podnet"}, {"mtu", 1400}};
        for (const char* name : {"ipip", "ipip-ipam", "ipipctl"})
            put_file(options_.program_dir / name, std::string("program ") + name, 0755);
    }
    ~Install() override { fs::remove_all(folder_); }

    json::Value list() const {
        return json::parse(read_file(options_.cni_conf_dir / "10-ipip.conflist").value_or("null"));
    }

    fs::path folder_;
    Options options_;
};

TEST_F(Install, PutsProgramsAndListInTheirPlacesAndTheListLast) {
    Installation installation(options_);
    const auto lines = installation.complete();
    EXPECT_THAT(lines, SizeIs(4));
    EXPECT_EQ(lines.back(), "installed " + (folder_ / "conf/10-ipip.conflist").string());
    EXPECT_EQ(read_file(folder_ / "bin/ipip"), "program ipip");
    EXPECT_EQ(list(), json::parse(R"({
        "cniVersion": "1.0.0", "cniVersions": ["0.4.0", "1.0.0", "1.1.0"], "name": "podnet",
        "plugins": [{"type": "ipip", "mtu": 1400, "nodesFile": "/run/ipip-cni/nodes.json",
                     "capabilities": {"ips": true, "mac": true, "dns": true, "ipRanges": true}}]})"));
    EXPECT_THAT(installation.complete(), IsEmpty());
    EXPECT_THAT(Installation(options_).complete(), IsEmpty()) << "nor after a restart";
}

TEST_F(Install, RestoresWhatSomebodyTookAwayOrChanged) {
    Installation installation(options_);
    installation.complete();
    fs::remove(folder_ / "bin/ipip");
    put_file(folder_ / "bin/ipipctl", "of somebody else", 0755);
    put_file(folder_ / "conf/10-ipip.conflist", "{}", 0644);
    EXPECT_THAT(installation.complete(), SizeIs(3));
    EXPECT_EQ(read_file(folder_ / "bin/ipip"), "program ipip");
    EXPECT_EQ(read_file(folder_ / "bin/ipipctl"), "program ipipctl");
    EXPECT_EQ(list().at("name"), "podnet");
}

TEST_F(Install, PutsFurtherPluginsBehindItsOwn) {
    options_.network["plugins"] = {
        {{"type", "portmap"}, {"capabilities", {{"portMappings", true}}}}};
    Installation(options_).complete();
    const json::Value plugins = list().at("plugins");
    ASSERT_THAT(plugins, SizeIs(2));
    EXPECT_FALSE(plugins[0].contains("plugins"));
    EXPECT_EQ(plugins[1], options_.network["plugins"][0]);
}

TEST_F(Install, TellsNetworkManagersOnlyWhereTheyAre) {
    fs::create_directories(folder_ / "etc/systemd/network");
    EXPECT_THAT(
        Installation(options_).tell_network_managers(),
        ElementsAre("installed " + (folder_ / "etc/systemd/network/00-ipip-cni.network").string()));
    EXPECT_FALSE(fs::exists(folder_ / "etc/NetworkManager"));
}

TEST_F(Install, HasTheListWhereNetworkManagersCannotBeTold) {
    fs::create_directories(folder_ / "etc/systemd/network/00-ipip-cni.network"); // none to replace
    Installation installation(options_);
    installation.complete();
    EXPECT_EQ(list().at("name"), "podnet");
    EXPECT_THROW(installation.tell_network_managers(), std::system_error);
}

TEST_F(Install, TakesTheUsersVersionsForPluginsThatServeLess) {
    options_.network["cniVersions"] = {"0.4.0", "1.0.0"};
    Installation(options_).complete();
    EXPECT_EQ(list().at("cniVersions"), json::parse(R"(["0.4.0", "1.0.0"])"));
    EXPECT_EQ(list().at("cniVersion"), "0.4.0") << "the runtime takes the highest of all";
    EXPECT_FALSE(list().at("plugins")[0].contains("cniVersions"));
    options_.network["cniVersion"] = "0.4.0";
    options_.network.erase("cniVersions");
    Installation(options_).complete();
    EXPECT_EQ(list().at("cniVersion"), "0.4.0");
    EXPECT_FALSE(list().contains("cniVersions"));
}

TEST_F(Install, SaysWhichProgramCannotBeRead) {
    fs::remove(options_.program_dir / "ipip-ipam");
    try {
        Installation(options_).complete();
        FAIL() << "it is missing";
    } catch (const std::system_error& error) {
        EXPECT_THAT(error.what(), StartsWith("--program-dir: cannot read " +
                                             (folder_ / "image/ipip-ipam").string()));
    }
    EXPECT_FALSE(fs::exists(folder_ / "conf/10-ipip.conflist")) << "it would call what is missing";
}

TEST_F(Install, KnowsWhichConfigurationsARuntimeTakesFirst) {
    for (const char* name : {"05-bridge.conf", "09-other.conflist", "05-note.txt", "20-late.conf",
                             "10-ipip.conflist", "06-old.json"})
        put_file(options_.cni_conf_dir / name, "{}", 0644);
    const auto path = [&](const char* name) { return (options_.cni_conf_dir / name).string(); };
    EXPECT_THAT(
        Installation(options_).rivals(),
        ElementsAre(path("05-bridge.conf"), path("06-old.json"), path("09-other.conflist")));
}

} // namespace
} // namespace agent
