#include "netlink/netns.h"

#include "netlink/link.h"
#include "test/kernel/scene.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace netlink {
namespace {

namespace fs = std::filesystem;

using scene::Namespace;

/// What open() says of a path that it refuses.
std::string refusal(const std::string& path) {
    try {
        Netns::open(path);
    } catch (const NotANamespace& error) {
        return error.what();
    }
    return "none";
}

std::size_t open_files() {
    const fs::directory_iterator entries("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

TEST(NetnsTest, RefusesAPathThatDoesNotExist) {
    EXPECT_EQ(refusal("/run/netns/nobody-made-this"),
              "\"/run/netns/nobody-made-this\" does not exist");
    EXPECT_EQ(refusal(""), "\"\" does not exist");
    EXPECT_EQ(refusal("/proc/self/exe/net"), "\"/proc/self/exe/net\" does not exist");
    const std::string endless(5000, 'x');
    EXPECT_EQ(refusal(endless), '"' + endless + "\" does not exist");
}

TEST(NetnsTest, RefusesWhatIsNoNetworkNamespace) {
    for (const std::string path :
         {"/proc/self/exe", "/proc", "/dev/null", "/proc/self/ns", "/proc/self/ns/uts",
          "/proc/self/ns/mnt", "/proc/self/ns/pid", "/proc/self/ns/user"})
        EXPECT_EQ(refusal(path), '"' + path + "\" is not a network namespace");
}

TEST(NetnsTest, RefusesAPipeWithoutWaitingForItsOtherEnd) {
    std::string folder = (fs::temp_directory_path() / "netns_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    const std::string path = folder + "/pipe";
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(refusal(path), '"' + path + "\" is not a network namespace");
    fs::remove_all(folder);
}

TEST(NetnsTest, KnowsANamespaceByAnyPathToIt) {
    const Namespace one;
    const Namespace two;
    EXPECT_EQ(Netns::open(one.path()), Netns::open(one.path()));
    EXPECT_EQ(Netns::open(one.path()), one.in([] { return Netns::current(); }));
    EXPECT_FALSE(Netns::open(one.path()) == Netns::open(two.path()));
    EXPECT_FALSE(Netns::open(one.path()) == Netns::current());
}

TEST(NetnsTest, ItsIdentityIsDeviceAndInode) {
    const Namespace space;
    struct stat status {};
    ASSERT_EQ(::stat(space.path().c_str(), &status), 0);
    EXPECT_EQ(Netns::open(space.path()).identity(),
              std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino));
}

TEST(NetnsTest, ItsSocketSpeaksToItFromElsewhere) {
    const Namespace space;
    space.ip("link add only-here type veth peer name b\n");
    Socket there = Netns::open(space.path()).socket();
    Socket here;
    EXPECT_NE(there.find(get_link("only-here")), nullptr);
    EXPECT_EQ(here.find(get_link("only-here")), nullptr);
}

TEST(NetnsTest, OpeningASocketLeavesTheThreadWhereItWas) {
    const Namespace host;
    const Namespace pod;
    const scene::Visit inside(host);
    const std::string before = Netns::current().identity();
    const Netns target = Netns::open(pod.path());
    const std::size_t files = open_files();
    for (int i = 0; i < 200; ++i) {
        const Socket socket = target.socket();
        ASSERT_EQ(Netns::current().identity(), before);
    }
    EXPECT_EQ(open_files(), files);
}

TEST(NetnsTest, ComesBackFromANamespaceInWhichNoSocketCanBeOpened) {
    const Namespace pod;
    const std::string before = Netns::current().identity();
    EXPECT_THROW(Netns::open(pod.path()).socket(31), Error);
    EXPECT_EQ(Netns::current().identity(), before);
}

TEST(NetnsTest, KeepsItsNamespaceAlive) {
    auto space = std::make_unique<Namespace>();
    space->ip("link add there type veth peer name b\n");
    const Netns held = Netns::open(space->path());
    space.reset();
    EXPECT_NE(held.socket().find(get_link("there")), nullptr);
}

} // namespace
} // namespace netlink
