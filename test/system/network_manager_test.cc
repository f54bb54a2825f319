#include "test/system/manager.h"

#include <csignal>

// NetworkManager, with a D-Bus of its own.

namespace scene {
namespace {

using ::testing::HasSubstr;

/// With a connection for every Ethernet device that there is, and another network's own drop-in,
/// which is read after ours and sets anew what is not managed.
class NetworkManager : public BesideAManager {
  protected:
    void start() {
        const auto connection = [&](const std::string& id, const std::string& lines,
                                    const std::string& address) {
            managed->configure("NetworkManager/system-connections/" + id + ".nmconnection",
                               "[connection]\nid=" + id + "\ntype=ethernet\n" + lines +
                                   "[ipv4]\nmethod=manual\naddress1=" + address +
                                   "\n[ipv6]\nmethod=disabled\n");
        };
        connection("all", "multi-connect=3\n", "192.168.9.9/24");
        connection("underlay", "interface-name=eth0\nautoconnect-priority=9\n", "172.16.5.126/24");
        managed->configure("NetworkManager/conf.d/zz-another.conf",
                           "[keyfile]\nunmanaged-devices=interface-name:cali*\n");
        managed->do_without_udev();
        bus = managed->start({"dbus-daemon", "--system", "--nofork", "--nopidfile"});
        ASSERT_TRUE(comes_true([&] {
            return std::filesystem::exists(host.folder() / "dbus/system_bus_socket");
        })) << managed->log();
        start_daemon();
    }
    void start_daemon() {
        daemon = managed->start({"NetworkManager", "--no-daemon"});
        ASSERT_TRUE(comes_true([&] { return states() != ""; })) << managed->log();
    }
    std::string states() const {
        return managed->run("nmcli --terse --fields DEVICE,STATE device").out;
    }
    bool comes_to_be(const std::string& device, const std::string& state) const {
        return comes_true([&] { return states().find(device + ':' + state) != std::string::npos; });
    }
    void switch_off_and_on() const {
        EXPECT_EQ(managed->run("nmcli networking off").status, 0);
        EXPECT_TRUE(comes_true([&] { return !has_canary_address(); })) << states();
        EXPECT_EQ(managed->run("nmcli networking on").status, 0);
        EXPECT_TRUE(comes_to_be("eth0", "connected")) << states();
    }

    std::unique_ptr<Process> bus;
    std::unique_ptr<Process> daemon;
};

TEST_F(NetworkManager, LeavesOurLinksAloneByTheDropIn) {
    install(true);
    const Json before = ours();
    stop_agent(); // who would hide it
    start();
    EXPECT_TRUE(comes_to_be("canary", "connected")) << states();
    EXPECT_TRUE(comes_to_be(tunnel, "unmanaged")) << states();
    EXPECT_TRUE(comes_to_be(link, "unmanaged")) << states();
    EXPECT_EQ(ours(), before);
    daemon->stop(SIGTERM);
    start_daemon();
    EXPECT_TRUE(comes_to_be("canary", "connected")) << states();
    EXPECT_EQ(ours(), before);

    start_agent(); // lo is NetworkManager's, and the endpoint on it
    switch_off_and_on();
    EXPECT_TRUE(comes_to_be(link, "unmanaged")) << states();
    EXPECT_TRUE(comes_back(before));
    EXPECT_EQ(agent->count("brought up the link"), 0) << agent->log();
}

TEST_F(NetworkManager, IsRepairedAfterWithoutTheDropIn) {
    install(false);
    start();
    EXPECT_TRUE(comes_to_be(link, "connected")) << states();
    EXPECT_TRUE(comes_to_be(tunnel, "connected (externally)")) << states();
    switch_off_and_on();
    EXPECT_TRUE(agent->says("repaired: made the route to the pod 10.10.100.1 by " + link))
        << agent->log() << states();
    EXPECT_TRUE(comes_true([&] { return reaches(near.net, there); })) << agent->log();
    EXPECT_TRUE(comes_true([&] { return agent->page("/readyz").status == 200; })) << agent->log();
    EXPECT_THAT(host.net().run("ip address show dev " + link).out, HasSubstr("192.168.9.9/24"))
        << "what is not ours stays, and does no harm";
}

} // namespace
} // namespace scene
