#include "test/system/cluster.h"

#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <iterator>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

// The directory with the leases is full, read-only, gone, somebody else's, or of another boot.

namespace scene {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;

/// A file system of its own at `path`, for as long as this lives.
class SmallDisk {
  public:
    explicit SmallDisk(fs::path path) : path_(std::move(path)) {
        checked(::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=128k,mode=755"), "mount a tmpfs");
    }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk() { ::umount2(path_.c_str(), MNT_DETACH); }

    void make_read_only(bool on) const {
        checked(::mount(nullptr, path_.c_str(), nullptr, on ? MS_REMOUNT | MS_RDONLY : MS_REMOUNT,
                        "size=128k"),
                "remount a tmpfs");
    }
    /// Writes a file until there is no room for more.
    void fill() const {
        std::ofstream file(path_ / "filling", std::ios::binary);
        while (file.put('x').flush())
            continue;
    }
    void empty() const { fs::remove(path_ / "filling"); }

  private:
    fs::path path_;
};

class StateDirectory : public ::testing::Test {
  protected:
    Output call(const char* verb, const Pod& of) const {
        return host.call(
            {.verb = verb, .config = cluster.config(), .container = of.id, .netns = of.net.path()});
    }

    /// An ADD and a DEL go well, and leave nothing.
    void expect_to_work() {
        host.add(pod, cluster.config());
        host.del(pod, cluster.config());
        EXPECT_TRUE(is_unchanged(host.net(), fresh));
    }

    Cluster cluster{1};
    Host& host = cluster.host(1);
    Json fresh = host.net().state();
    Pod pod{"one"};
    Pod other{"two"};
};

TEST_F(StateDirectory, OnAFullDiskIsRefusedAndNothingIsLeft) {
    const SmallDisk disk(host.folder());
    disk.fill();
    const Refused refused = refusal_of(call("ADD", pod));
    EXPECT_THAT(refused.message, HasSubstr("No space left on device"));
    EXPECT_TRUE(is_unchanged(host.net(), fresh));
    disk.empty();
    expect_to_work();
}

TEST_F(StateDirectory, ThatFillsUpKeepsWhatItHas) {
    const SmallDisk disk(host.folder());
    const Json result = host.add(pod, cluster.config());
    const Json one = host.net().state();
    disk.fill();
    EXPECT_EQ(refusal_of(call("ADD", other)).code, 5);
    EXPECT_TRUE(is_unchanged(host.net(), one));
    disk.empty();
    EXPECT_NE(address_of(host.add(other, cluster.config())), address_of(result));
    host.del(other, cluster.config());
    host.del(pod, cluster.config());
    EXPECT_TRUE(is_unchanged(host.net(), fresh));
}

TEST_F(StateDirectory, ThatIsReadOnlyIsRefusedAndNothingIsLeft) {
    const SmallDisk disk(host.folder());
    disk.make_read_only(true);
    const Refused refused = refusal_of(call("ADD", pod));
    EXPECT_THAT(refused.message, HasSubstr("Read-only file system"));
    EXPECT_TRUE(is_unchanged(host.net(), fresh));
    disk.make_read_only(false);
    expect_to_work();
}

TEST_F(StateDirectory, ThatBecomesReadOnlyRefusesADelUntilItCanBeDone) {
    const SmallDisk disk(host.folder());
    host.add(pod, cluster.config());
    disk.make_read_only(true);
    EXPECT_THAT(refusal_of(call("DEL", pod)).message, HasSubstr("Read-only file system"));
    disk.make_read_only(false);
    EXPECT_EQ(call("DEL", pod).status, 0);
    EXPECT_TRUE(is_unchanged(host.net(), fresh));
}

TEST_F(StateDirectory, ThatIsGoneWithItsPodsStandingIsNoHindrance) {
    host.add(pod, cluster.config());
    fs::remove_all(host.state_dir());
    EXPECT_EQ(call("DEL", pod).status, 0);
    fresh["sysctls"]["eth0/forwarding"] = "1"; // who turned it on is forgotten
    EXPECT_TRUE(is_unchanged(host.net(), fresh));
    expect_to_work();
}

TEST_F(StateDirectory, ThatIsGoneBeginsWithTheLeasesOfThePodsThatStand) {
    host.add(pod, cluster.config());
    const Json result = host.add(other, cluster.config());
    fs::remove_all(host.state_dir());
    EXPECT_EQ(call("DEL", pod).status, 0);
    EXPECT_TRUE(reaches(host.net(), address_of(result)));
    const Output checked =
        host.call({.verb = "CHECK",
                   .config = Cluster::config(cluster.nodes(), {{"prevResult", result}}),
                   .container = other.id,
                   .netns = other.net.path()});
    EXPECT_EQ(checked.status, 0) << checked.out;
    EXPECT_EQ(call("DEL", other).status, 0);
    fresh["sysctls"]["eth0/forwarding"] = "1";
    EXPECT_TRUE(is_unchanged(host.net(), fresh));
}

TEST_F(StateDirectory, ThatIsGoneGivesNobodyTheAddressOfAPodWhoseRouteIsMissing) {
    const Json result = host.add(pod, cluster.config());
    host.net().ip("link set " + link_of(result) + " down"); // with which its routes go
    fs::remove_all(host.state_dir());
    const Json before = host.net().state();
    EXPECT_THAT(refusal_of(call("ADD", other)).message,
                AllOf(HasSubstr("the leases of /run/ipip-cni are gone"),
                      HasSubstr("no route to interface eth0 of container one, by " +
                                link_of(result) + "; add it, or delete that link")));
    EXPECT_THAT(refusal_of(call("DEL", other)).message, HasSubstr("of container one"));
    EXPECT_TRUE(is_unchanged(host.net(), before));
    EXPECT_EQ(call("DEL", pod).status, 0);
    fresh["sysctls"]["eth0/forwarding"] = "1";
    EXPECT_TRUE(is_unchanged(host.net(), fresh));
    expect_to_work();
}

TEST_F(StateDirectory, ThatOthersCanWriteToIsRefusedWithTheMend) {
    fs::create_directory(host.state_dir());
    fs::permissions(host.state_dir(), fs::perms::all);
    const Refused refused = refusal_of(call("ADD", pod));
    EXPECT_EQ(refused.code, 5);
    EXPECT_THAT(refused.message, AllOf(HasSubstr("/run/ipip-cni can be written to by others"),
                                       HasSubstr("chmod go-w /run/ipip-cni")));
    EXPECT_TRUE(is_unchanged(host.net(), fresh));
    fs::permissions(host.state_dir(), fs::perms::owner_all);
    expect_to_work();
}

TEST_F(StateDirectory, OfAnotherUserIsRefusedWithTheMend) {
    fs::create_directory(host.state_dir());
    checked(::chown(host.state_dir().c_str(), 65534, 65534), "chown");
    EXPECT_THAT(refusal_of(call("ADD", pod)).message,
                AllOf(HasSubstr("belongs to user 65534"), HasSubstr("chown root /run/ipip-cni")));
    EXPECT_TRUE(is_unchanged(host.net(), fresh));
}

TEST_F(StateDirectory, WithASymbolicLinkInsteadOfAFileIsNotFollowed) {
    host.add(pod, cluster.config());
    std::vector<std::string> names{"mesh.stamp.new",
                                   "mesh.ways.new"}; // what files are while written
    for (const auto& entry : fs::directory_iterator(host.state_dir()))
        names.push_back(entry.path().filename());
    host.del(pod, cluster.config());
    const fs::path victim = host.folder() / "victim";
    for (const std::string& name : names) {
        SCOPED_TRACE(name);
        for (const char* before : {"", "precious\n"}) {
            fs::remove_all(host.state_dir());
            fs::create_directory(host.state_dir());
            fs::create_symlink("/run/victim", host.state_dir() / name);
            const bool is_there = *before != '\0';
            if (is_there)
                std::ofstream(victim) << before;
            call("ADD", pod);
            call("DEL", pod);
            EXPECT_EQ(fs::exists(victim), is_there);
            std::ifstream after(victim);
            EXPECT_EQ(std::string(std::istreambuf_iterator<char>(after), {}), before);
            fs::remove(victim);
        }
    }
}

TEST_F(StateDirectory, OfAnEarlierBootIsForgotten) {
    const Json before = host.add(pod, cluster.config());
    // A boot takes the links and settings, and leaves the directory where that is not in memory.
    EXPECT_EQ(host.net().run("sysctl -w net.ipv4.conf.eth0.forwarding=0").status, 0);
    host.net().ip("link delete " + link_of(before));
    const fs::path boot = host.folder() / "boot_id";
    std::ofstream(boot) << "01234567-89ab-cdef-0123-456789abcdef\n";
    const auto after_boot = [&](const char* verb, const Pod& of) {
        return host.call({.verb = verb,
                          .config = cluster.config(),
                          .container = of.id,
                          .netns = of.net.path(),
                          .prepare = [] {
                              checked(::mount("/run/boot_id", "/proc/sys/kernel/random/boot_id",
                                              nullptr, MS_BIND, nullptr),
                                      "mount another boot's ID");
                          }});
    };
    const Output added = after_boot("ADD", other);
    ASSERT_EQ(added.status, 0) << added.out;
    int files = 0;
    for (const auto& entry : fs::directory_iterator(host.state_dir()))
        files += entry.path().extension() == ".mdb" ? 1 : 0;
    EXPECT_EQ(files, 1) << "that of the earlier boot is gone";
    // Runtimes delete after a boot what was there before it.
    EXPECT_EQ(after_boot("DEL", pod).status, 0);
    EXPECT_TRUE(reaches(host.net(), address_of(Json::parse(added.out))));
    EXPECT_EQ(after_boot("DEL", other).status, 0);
    EXPECT_TRUE(is_unchanged(host.net(), fresh));
}

} // namespace
} // namespace scene
