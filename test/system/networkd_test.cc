#include "test/system/manager.h"

#include <csignal>
#include <fstream>
#include <iterator>

// systemd-networkd, with the real udev that tells it of devices.

namespace scene {
namespace {

/// With a configuration for every device that there is, as people write it.
class Networkd : public BesideAManager {
  protected:
    void start() {
        managed->configure("systemd/network/05-eth0.network",
                           "[Match]\nName=eth0\n[Network]\nLinkLocalAddressing=no\n"
                           "Address=172.16.5.126/24\n");
        managed->configure("systemd/network/10-all.network",
                           "[Match]\nName=*\n[Network]\nLinkLocalAddressing=no\n");
        udev = managed->start({"/lib/systemd/systemd-udevd"});
        ASSERT_TRUE(comes_true([&] { // else it has not begun to listen
            return managed->run("udevadm control --ping").status == 0;
        })) << managed->log();
        ASSERT_EQ(managed->run("udevadm trigger --subsystem-match=net").status, 0);
        ASSERT_EQ(managed->run("udevadm settle").status, 0);
        start_daemon();
    }
    void start_daemon() {
        for (const auto& file : std::filesystem::directory_iterator(states()))
            std::filesystem::remove(file);
        daemon = managed->start({"/lib/systemd/systemd-networkd"});
    }
    void restart() {
        daemon->stop(SIGTERM);
        start_daemon();
    }
    std::filesystem::path states() const { return host.folder() / "systemd/netif/links"; }

    /// Whether networkd says that this is what it does with the device.
    bool comes_to_be(const std::string& device, const std::string& state) const {
        const auto path = states() / std::to_string(index_of(device));
        return comes_true([&] {
            std::ifstream file(path);
            const std::string text{std::istreambuf_iterator<char>(file), {}};
            return text.find("ADMIN_STATE=" + state + '\n') != std::string::npos;
        });
    }
    void expect_states(const std::string& of_ours) const {
        EXPECT_TRUE(comes_to_be("canary", "configured")) << managed->log();
        EXPECT_TRUE(comes_to_be("eth0", "configured")) << managed->log();
        for (const std::string& device : {std::string(tunnel), link})
            EXPECT_TRUE(comes_to_be(device, of_ours)) << device << managed->log();
    }

    std::unique_ptr<Process> udev;
    std::unique_ptr<Process> daemon;
};

TEST_F(Networkd, LeavesOurLinksAloneByTheDropInAndTakesTheUnreachableRoute) {
    install(true);
    const Json before = ours();
    const Json on_links = ours(false);
    stop_agent(); // who would hide it
    start();
    expect_states("unmanaged");
    EXPECT_TRUE(comes_true([&] { return !has_canary_address(); })) << "it spares nobody else's";
    EXPECT_EQ(ours(false), on_links);
    EXPECT_NE(ours(), before) << "it takes for its own what is on no device";
    start_agent();
    EXPECT_TRUE(comes_back(before));

    stop_agent();
    std::ofstream(host.folder() / "systemd/networkd.conf.d/ours.conf")
        << "[Network]\nManageForeignRoutes=no\n";
    restart();
    expect_states("unmanaged");
    EXPECT_EQ(ours(), before);
}

TEST_F(Networkd, IsRepairedAfterWithoutTheDropIn) {
    install(false);
    const Json before = ours();
    start();
    expect_states("configured");
    EXPECT_TRUE(comes_true([&] { return !has_canary_address(); }));
    EXPECT_TRUE(agent->says("repaired: added the address 10.10.100.10 to ipip-")) << agent->log();
    EXPECT_TRUE(agent->says("repaired: made the route to the pod")) << agent->log();
    EXPECT_TRUE(comes_back(before));

    const int repairs = agent->count("repaired: ");
    restart();
    expect_states("configured");
    EXPECT_TRUE(comes_true([&] { return agent->count("repaired: ") > repairs; })) << agent->log();
    EXPECT_TRUE(comes_back(before));
    EXPECT_EQ(agent->page("/readyz").status, 200);
    EXPECT_EQ(agent->count("again and again"), 0) << agent->log();
}

} // namespace
} // namespace scene
