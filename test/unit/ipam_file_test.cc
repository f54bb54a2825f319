#include "test/unit/ipam_lease_scene.h"

#include <csignal>
#include <fstream>
#include <iterator>
#include <sys/resource.h>
#include <sys/stat.h>

namespace ipam {
namespace {

// Its files

TEST_F(LeaseStore, ForgetsOtherBoots) {
    fs::create_directories(directory_);
    const std::string old = "leases-11111111-2222-3333-4444-555555555555.mdb";
    for (const std::string& name :
         {old, old + ".abc123", std::string("nodes.json"), std::string("leases-notes")})
        std::ofstream(directory_ / name) << "old";
    Store leases = store();
    EXPECT_FALSE(fs::exists(directory_ / old));
    EXPECT_FALSE(fs::exists(directory_ / (old + ".abc123")));
    EXPECT_TRUE(fs::exists(directory_ / "nodes.json"));
    EXPECT_TRUE(fs::exists(directory_ / "leases-notes"));
    EXPECT_TRUE(leases.empty("pods"));
}

TEST_F(LeaseStore, LeavesOneFileNamedAfterTheBoot) {
    store();
    std::string boot;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_))
        names.push_back(entry.path().filename());
    EXPECT_THAT(names, ElementsAre("leases-" + boot + ".mdb"));
}

TEST_F(LeaseStore, MakesItsDirectoryAndParentsWithTheLastForRootAlone) {
    for (const fs::path& path : {root_ / "a", root_ / "b/c/d", root_ / "e/f/"}) {
        Store leases(path);
        take(leases, 1);
        struct stat status {};
        ASSERT_EQ(stat(path.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 07777U, 0700U);
        for (const auto& entry : fs::directory_iterator(path)) {
            ASSERT_EQ(stat(entry.path().c_str(), &status), 0);
            EXPECT_EQ(status.st_mode & 07777U, 0600U);
        }
    }
    EXPECT_EQ(fs::status(root_ / "b/c").permissions() & fs::perms::others_read,
              fs::perms::others_read);
}

TEST_F(LeaseStore, InPlaceOfAFileIsRefusedWithTheMend) {
    std::ofstream(directory_) << "a file";
    EXPECT_THAT(
        complaint<StoreError>([&] { store(); }),
        AllOf(HasSubstr(directory_), HasSubstr("Not a directory"), HasSubstr("another directory")));
    EXPECT_THAT(complaint<StoreError>([&] { Store(directory_ / "below"); }),
                AllOf(HasSubstr(directory_), HasSubstr("Not a directory")));
}

TEST_F(LeaseStore, WithoutPermissionIsRefusedWithTheMend) {
    store();
    fs::permissions(root_, fs::perms::none);
    const pid_t child = start([&] {
        if (geteuid() == 0 && setuid(65534) != 0)
            throw std::logic_error("setuid");
        const std::string said = complaint<StoreError>([&] { store(); });
        if (said.find("Permission denied; run this as root") == std::string::npos ||
            said.find(directory_) == std::string::npos)
            throw std::logic_error(said);
    });
    EXPECT_EQ(status_of(child), 0);
    fs::permissions(root_, fs::perms::owner_all);
}

TEST_F(LeaseStore, WhereOthersCanWriteIsRefused) {
    store();
    for (const fs::perms others : {fs::perms::others_write, fs::perms::group_write}) {
        fs::permissions(directory_, fs::perms::owner_all | others);
        EXPECT_THAT(complaint<StoreError>([&] { store(); }),
                    AllOf(HasSubstr(directory_), HasSubstr("chmod go-w")));
    }
    fs::permissions(directory_, fs::perms::owner_all | fs::perms::others_read);
    store();
}

TEST_F(LeaseStore, IsNoSymbolicLink) {
    store();
    const fs::path link = file();
    fs::rename(link, root_ / "elsewhere");
    fs::create_symlink(root_ / "elsewhere", link);
    EXPECT_THAT(complaint<StoreError>([&] { store(); }),
                AllOf(HasSubstr(link), HasSubstr("remove it")));
}

TEST_F(LeaseStore, ThatIsNoDatabaseIsRefusedAndLeftAsItIs) {
    store();
    const fs::path path = file();
    for (const std::size_t size : {10U, 4096U, 8192U, 20000U}) {
        const std::string garbage(size, 'x');
        std::ofstream(path) << garbage;
        EXPECT_THAT(
            complaint<StoreError>([&] { store(); }),
            AllOf(HasSubstr(path), HasSubstr("stop the containers"), HasSubstr("remove the file")));
        std::ifstream stream(path);
        EXPECT_EQ(std::string(std::istreambuf_iterator(stream), {}), garbage);
    }
}

TEST_F(LeaseStore, ThatWasEmptiedIsRefusedAsOftenAsItIsOpened) {
    store();
    fs::resize_file(file(), 0);
    for (int time = 0; time < 2; ++time)
        EXPECT_THAT(complaint<StoreError>([&] { store(); }),
                    AllOf(HasSubstr(file()), HasSubstr("stop the containers")));
}

TEST_F(LeaseStore, OfAnotherVersionIsRefused) {
    store();
    {
        const Database database(file());
        Transaction transaction(database, Transaction::Mode::write);
        transaction.put("v", "2");
        transaction.commit();
    }
    EXPECT_THAT(complaint<StoreError>([&] { store(); }),
                AllOf(HasSubstr(file()), HasSubstr("layout 2"), HasSubstr("layout 1")));
}

TEST_F(LeaseStore, ThatCannotGrowFailsWholeWithTheMend) {
    store();
    const RangeSet many = set("10.1.0.0/16");
    const pid_t child = start([&] {
        Store leases = store();
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{64 * 1024, 64 * 1024};
        setrlimit(RLIMIT_FSIZE, &limit);
        const std::string said = complaint<StoreError>([&] {
            for (int number = 0; number < 10000; ++number)
                take(leases, number, many);
        });
        // A write of several pages is cut short, one of a single page fails.
        if ((said.find("Input/output error; that file system is full") == std::string::npos &&
             said.find("File too large; raise the limit") == std::string::npos) ||
            said.find(file()) == std::string::npos)
            throw std::logic_error(said);
    });
    EXPECT_EQ(status_of(child), 0);
    Store leases = store();
    const std::size_t had = leases.leases("pods").size();
    EXPECT_GT(had, 10U);
    take(leases, -1, many);
    EXPECT_EQ(leases.leases("pods").size(), had + 1);
    expect_consistent(leases, file());
}

TEST_F(LeaseStore, ThatReachesItsCapacitySaysWhatToRelease) {
    const Database database(root_ / "small", 64 * 1024);
    Transaction transaction(database, Transaction::Mode::write);
    EXPECT_THAT(complaint<StoreError>([&] {
                    for (int number = 0;; ++number)
                        transaction.put(std::to_string(number), std::string(500, 'x'));
                }),
                AllOf(HasSubstr(root_ / "small"),
                      HasSubstr("release the leases of containers that are gone")));
}

} // namespace
} // namespace ipam
