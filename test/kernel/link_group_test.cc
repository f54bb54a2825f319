#include "netlink/link_group.h"

#include "netlink/link.h"
#include "netlink/socket.h"
#include "test/kernel/scene.h"

#include <algorithm>
#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netlink {
namespace {

using scene::Json;
using testing::Each;
using testing::Eq;
using testing::IsEmpty;

class LinkGroup : public testing::Test {
  protected:
    /// Pairs v0-p0, v1-p1, ...
    void make(int count) {
        std::string lines;
        for (int i = 0; i < count; ++i)
            lines += "link add v" + std::to_string(i) + " type veth peer name p" +
                     std::to_string(i) + '\n';
        host_.ip(lines);
    }
    std::vector<Link> links_named(char first) {
        auto links = dump_links(socket_, "veth");
        std::erase_if(links, [&](const Link& link) { return link.name.front() != first; });
        return links;
    }

    scene::Namespace host_;
    scene::Visit inside_{host_};
    Socket socket_;
};

TEST_F(LinkGroup, GoesWithAllThatIsInItAndNothingElse) {
    host_.ip("link add other type veth peer name another\n");
    const Json before = host_.state();
    make(100); // more than one system call takes
    const auto links = links_named('v');
    ASSERT_EQ(links.size(), 100U);
    EXPECT_THAT(delete_links(socket_, links), Each(Eq(std::nullopt)));
    EXPECT_EQ(host_.state(), before);
}

TEST_F(LinkGroup, IsNeverOneThatOthersAreIn) {
    host_.ip("link add other type veth peer name another\n"
             "link set other group 94000\n"
             "link set another group 94001\n"
             "link set lo group 94002\n");
    const Json before = host_.state();
    make(2);
    EXPECT_THAT(delete_links(socket_, links_named('v')), Each(Eq(std::nullopt)));
    EXPECT_EQ(host_.state(), before);
}

TEST_F(LinkGroup, LeftByOneWhoWasKilledIsNoHindrance) {
    const Json before = host_.state();
    make(2);
    host_.ip("link set v0 group 94000\n");
    EXPECT_THAT(delete_links(socket_, links_named('v')), Each(Eq(std::nullopt)));
    EXPECT_EQ(host_.state(), before);
}

TEST_F(LinkGroup, OfDevicesThatWentByThemselvesIsDone) {
    make(2);
    const auto links = links_named('v');
    host_.ip("link delete v0\n");
    EXPECT_THAT(delete_links(socket_, links), Each(Eq(std::nullopt)));
    EXPECT_THAT(links_named('v'), IsEmpty());
    EXPECT_THAT(delete_links(socket_, links), Each(Eq(std::nullopt))) << "all of them";
    EXPECT_THAT(delete_links(socket_, {}), IsEmpty());
}

TEST_F(LinkGroup, WithADeviceThatCannotBeDeletedSaysSoOfAll) {
    make(1);
    const Json before = host_.state();
    auto links = links_named('v');
    Link loopback; // which nobody knows how to delete
    loopback.index = 1;
    loopback.name = "lo";
    links.push_back(loopback);
    const auto troubles = delete_links(socket_, links);
    ASSERT_EQ(troubles.size(), 2U);
    for (const auto& trouble : troubles) {
        ASSERT_TRUE(trouble);
        EXPECT_EQ(trouble->number(), EOPNOTSUPP) << trouble->what();
    }
    EXPECT_EQ(links_named('v').size(), 1U);
}

} // namespace
} // namespace netlink
