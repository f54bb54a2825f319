#include "test/system/installation.h"

#include <gmock/gmock.h>

namespace scene {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// Two hosts with a pod each and tunnels of others beside ours.
class Uninstall : public ::testing::Test {
  protected:
    Uninstall() {
        for (int i = 1; i <= 2; ++i) {
            cluster.host(i).net().ip("link add tun1 type ipip local 192.0.2.1 remote 192.0.2.2\n"
                                     "link set tun1 alias podnet/host2\n"
                                     "link set tun1 up\n"
                                     "address add 192.168.7.1 peer 192.168.7.2 dev tun1\n"
                                     "route add 10.77.0.0/16 dev tun1\n"
                                     "link set tunl0 up\n"
                                     "address add 192.168.9.1/32 dev tunl0\n");
            before.push_back(cluster.host(i).net().state());
        }
        cluster.host(1).add(web, config);
        cluster.host(2).add(db, config);
        Installation(cluster.host(1)).put_all(config);
    }

    Cluster cluster{2};
    const std::string config = Cluster::config(cluster.nodes(3), {{"ipMasq", true}});
    Pod web{"web"};
    Pod db{"db"};
    std::vector<Json> before;
};

TEST_F(Uninstall, LeavesOnlyWhatWasThereBefore) {
    ASSERT_TRUE(reaches(web.net, "10.10.200.1"));
    for (int i = 1; i <= 2; ++i) {
        const Host& host = cluster.host(i);
        const Installation installation(host);
        installation.put_all(config);
        const Json standing = host.net().state();
        const Output rehearsal = installation.uninstall({"--dry-run"});
        EXPECT_EQ(rehearsal.status, 0) << rehearsal.err;
        EXPECT_TRUE(is_unchanged(host.net(), standing));

        const Output output = installation.uninstall();
        EXPECT_EQ(output.status, 0) << output.err;
        EXPECT_EQ(output.err, "");
        EXPECT_TRUE(is_unchanged(host.net(), before.at(static_cast<std::size_t>(i - 1))));
        EXPECT_TRUE(installation.files().empty());
        const std::string peer = i == 1 ? "ipip-ac10057f (podnet/host2) to 172.16.5.127"
                                        : "ipip-ac10057e (podnet/host1) to 172.16.5.126";
        EXPECT_THAT(output.out, AllOf(HasSubstr("removed the tunnel " + peer),
                                      HasSubstr("(podnet/stranger3) to 172.16.7.3"),
                                      HasSubstr("removed the nftables table inet ipip-cni"),
                                      Not(HasSubstr("tunl0")), Not(HasSubstr("tun1"))));
    }
}

TEST_F(Uninstall, OfOneHostLeavesTheOtherAlone) {
    const Json other = cluster.host(2).net().state();
    EXPECT_EQ(Installation(cluster.host(1)).uninstall().status, 0);
    EXPECT_TRUE(is_unchanged(cluster.host(2).net(), other));
    EXPECT_TRUE(reaches(cluster.host(2).net(), "10.10.200.1"));
    EXPECT_FALSE(reaches(cluster.host(2).net(), "10.10.100.1"));
}

TEST_F(Uninstall, IsFollowedByANewBeginning) {
    EXPECT_EQ(Installation(cluster.host(1)).uninstall().status, 0);
    const Pod next("next");
    const std::string address = address_of(cluster.host(1).add(next, config));
    EXPECT_TRUE(reaches(db.net, address));
}

} // namespace
} // namespace scene
