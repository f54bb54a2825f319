#include "agent/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace agent {
namespace {

namespace fs = std::filesystem;

class AtomicFile : public testing::Test {
  protected:
    AtomicFile() {
        std::string pattern = testing::TempDir() + "ipip-file-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
    }
    ~AtomicFile() override { fs::remove_all(folder_); }

    fs::path at(const char* name) const { return folder_ / name; }
    static std::string content(const fs::path& path) {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    static ino_t inode(const fs::path& path) {
        struct stat status {};
        ::stat(path.c_str(), &status);
        return status.st_ino;
    }
    std::size_t entries() const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
    }

    fs::path folder_;
};

TEST_F(AtomicFile, MakesWhatIsMissingWithItsMode) {
    EXPECT_TRUE(put_file(at("a/b/file"), "new", 0640));
    EXPECT_EQ(content(at("a/b/file")), "new");
    struct stat status {};
    ::stat(at("a/b/file").c_str(), &status);
    EXPECT_EQ(status.st_mode & 07777, 0640U);
}

TEST_F(AtomicFile, LeavesAnEqualFileUntouched) {
    put_file(at("file"), "same", 0644);
    const ino_t before = inode(at("file"));
    EXPECT_FALSE(put_file(at("file"), "same", 0644));
    EXPECT_EQ(inode(at("file")), before);
    EXPECT_TRUE(put_file(at("file"), "same", 0600)) << "another mode";
}

TEST_F(AtomicFile, ReplacesAFileForThoseWhoOpenItLater) {
    put_file(at("file"), "old", 0644);
    std::ifstream reader(at("file"));
    EXPECT_TRUE(put_file(at("file"), "new and longer", 0644));
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(reader), {}), "old");
    EXPECT_EQ(content(at("file")), "new and longer");
    EXPECT_EQ(entries(), 1U) << "no draft is left";
}

TEST_F(AtomicFile, ReplacesAProgramThatRuns) {
    put_file(at("program"), *read_file("/bin/sleep"), 0755);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::execl(at("program").c_str(), "program", "60", nullptr);
        ::_exit(1);
    }
    EXPECT_TRUE(put_file(at("program"), "another", 0755));
    EXPECT_EQ(content(at("program")), "another");
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
}

TEST_F(AtomicFile, LeavesTheOldWhereTheNewCannotBeWritten) {
    put_file(at("file"), "old", 0644);
    EXPECT_EQ(read_file(at("missing")), std::nullopt);
    EXPECT_THROW(put_file(at("file") / "below", "x", 0644), std::system_error);
}

} // namespace
} // namespace agent
