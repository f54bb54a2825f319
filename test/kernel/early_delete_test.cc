#include "netlink/early_delete.h"

#include "netlink/error.h"
#include "netlink/link.h"
#include "netlink/netns.h"
#include "netlink/socket.h"
#include "test/kernel/scene.h"

#include <cerrno>
#include <gmock/gmock.h>

namespace netlink {
namespace {

using scene::Json;
using testing::Each;

class EarlyDeleteTest : public ::testing::Test {
  protected:
    EarlyDeleteTest() : visit_(host_), pod_space_(Netns::open(pod_.path())) {}

    void make_pair(const std::string& name) {
        socket_.run(make_veth({.host_name = name,
                               .pod_name = name,
                               .host_mac = ip::Mac::parse("02:00:00:00:00:01"),
                               .pod_mac = ip::Mac::parse("02:00:00:00:00:02"),
                               .mtu = 1480},
                              pod_space_));
    }
    void make(const std::string& name) {
        make_pair(name);
        host_.ip("link set " + name + " up\nroute add 10.10.100.1/32 dev " + name + '\n');
        pod_.ip("link set " + name + " up\naddress add 10.10.100.1/32 dev " + name + '\n');
    }

    scene::Namespace host_;
    scene::Namespace pod_;
    scene::Visit visit_;
    Netns pod_space_;
    Socket socket_;
};

TEST_F(EarlyDeleteTest, NothingIsLeftToSeeWhenItReturns) {
    const Json before = host_.state();
    const Json pod_before = pod_.state();
    for (int i = 0; i < 20; ++i) {
        make("v0");
        EXPECT_TRUE(delete_link_early("v0"));
        EXPECT_FALSE(socket_.find(get_link("v0")));
        EXPECT_EQ(host_.state(), before);
        EXPECT_EQ(pod_.state(), pod_before);
        EXPECT_FALSE(delete_link_early("v0"));
    }
}

TEST_F(EarlyDeleteTest, HearsOfItsOwnAmongMany) {
    constexpr int number = 20;
    const Json before = host_.state();
    for (int i = 0; i < number; ++i)
        make_pair("v" + std::to_string(i));
    const auto results = scene::in_processes(number, [&](int i) {
        const std::string name = "v" + std::to_string(i);
        const bool was_there = delete_link_early(name);
        Socket own;
        return was_there && !own.find(get_link(name)) ? 0 : 1;
    });
    EXPECT_THAT(results, Each(0));
    EXPECT_EQ(host_.state(), before);
}

TEST_F(EarlyDeleteTest, SaysWhyNot) {
    try {
        delete_link_early("lo");
        ADD_FAILURE() << "no error";
    } catch (const Error& error) {
        EXPECT_EQ(error.number(), EOPNOTSUPP);
        EXPECT_THAT(error.what(), testing::HasSubstr("cannot delete the link lo"));
    }
}

} // namespace
} // namespace netlink
