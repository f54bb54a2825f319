#include "cni/file.h"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace cni {
namespace {

class ReadFile : public ::testing::Test {
  protected:
    ~ReadFile() override { std::filesystem::remove(path_); }

    void write(const std::string& text) const { std::ofstream(path_) << text; }

    std::filesystem::path path_ =
        std::filesystem::temp_directory_path() / ("ipip-file-" + std::to_string(::getpid()));
};

TEST_F(ReadFile, GivesAllOfIt) {
    const std::string text = std::string(4096, 'a') + '\0' + std::string(8192, 'b');
    write(text);
    EXPECT_EQ(read_file(path_), text);
    write("");
    EXPECT_EQ(read_file(path_), "");
}

TEST_F(ReadFile, GivesNoneOfWhatCannotBeRead) {
    EXPECT_EQ(read_file(path_), std::nullopt);
    EXPECT_EQ(read_file(path_.parent_path()), std::nullopt) << "it can be opened";
}

TEST_F(ReadFile, EndsAtTheLimit) {
    write("12345");
    const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(read_all(file, 5), "12345");
    ::lseek(file, 0, SEEK_SET);
    EXPECT_EQ(read_all(file, 4), std::nullopt);
    EXPECT_EQ(errno, EFBIG);
    ::close(file);
    EXPECT_EQ(read_all(file, 4), std::nullopt);
    EXPECT_EQ(errno, EBADF);
}

} // namespace
} // namespace cni
