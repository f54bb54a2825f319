#include "cni/child.h"
#include "test/unit/script_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace cni {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;

constexpr milliseconds long_patience{60'000}; // which no test uses up unless it fails

class Child : public testing::Test {
  protected:
    Ended run(const std::string& lines, const std::string& input = {},
              milliseconds patience = long_patience) const {
        return run_child(scripts.write("child", lines), {"PATH=/usr/bin:/bin"}, input, patience);
    }

    ScriptFolder scripts;
};

/// A pipe with a name, by which the end of a process is learnt that has it open for writing.
class LastBreath {
  public:
    explicit LastBreath(std::string path) : path_(std::move(path)) {
        ::mkfifo(path_.c_str(), 0600);
        fd_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
    LastBreath(const LastBreath&) = delete;
    LastBreath& operator=(const LastBreath&) = delete;
    ~LastBreath() { ::close(fd_); }
    const std::string& path() const { return path_; }

    /// Waits until there is none any more. REQUIRES: there was one.
    bool comes() const {
        pollfd waiting{fd_, 0, 0};
        return ::poll(&waiting, 1, 10'000) == 1 && (waiting.revents & POLLHUP) != 0;
    }

  private:
    std::string path_;
    int fd_;
};

TEST_F(Child, GetsItsInputAndEnvironmentAndGivesWhatItPrints) {
    const std::string program =
        scripts.write("child", "read line; echo \"$A $line\"; echo log >&2; exit 3");
    const Ended ended = run_child(program, {"A=b"}, "input\n", long_patience);
    EXPECT_EQ(ended.output, "b input\n");
    EXPECT_EQ(ended.log, "log\n");
    EXPECT_EQ(WEXITSTATUS(ended.status), 3);
    EXPECT_EQ(ended.cut, Ended::Cut::no);
}

TEST_F(Child, CanOpenItsStreamsByTheirNamesAsScriptsDo) {
    const Ended ended = run("cat /dev/stdin >/dev/stdout; echo log >/dev/stderr", "input");
    EXPECT_EQ(ended.output, "input");
    EXPECT_EQ(ended.log, "log\n");
}

TEST_F(Child, InheritsNothingBeyondItsStreams) {
    const int kept = ::open("/dev/null", O_RDONLY);
    const Ended ended = run("exec ls /proc/self/fd"); // which opens that folder as 3
    ::close(kept);
    EXPECT_EQ(ended.output, "0\n1\n2\n3\n");
}

TEST_F(Child, MayLeaveItsInputUnread) {
    const std::string large(4 << 20, 'x');
    const Ended ended = run("exit 0", large);
    EXPECT_EQ(ended.status, 0);
    EXPECT_EQ(ended.cut, Ended::Cut::no);
    EXPECT_EQ(run("exec wc -c", large).output, "4194304\n");
}

TEST_F(Child, IsReadToItsEndOnBothStreams) {
    const Ended ended = run("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; echo end");
    EXPECT_EQ(ended.output.size(), 1'000'004U);
    EXPECT_THAT(ended.output, EndsWith("end\n"));
    EXPECT_EQ(ended.log.size(), 1'000'000U);
}

TEST_F(Child, ThatPrintsWithoutEndIsKilled) {
    for (const char* line : {"exec cat /dev/zero", "exec cat /dev/zero >&2"}) {
        const Ended ended = run(line);
        EXPECT_EQ(ended.cut, Ended::Cut::too_much) << line;
        EXPECT_EQ(WTERMSIG(ended.status), SIGKILL) << line;
    }
}

TEST_F(Child, ThatHangsIsKilledWithAllThatItStarted) {
    const LastBreath breath(scripts.path() / "breath");
    const Ended ended =
        run("exec 3>" + breath.path() + "\n" + "echo begun; (sleep 1000; true) & sleep 1000; true",
            {}, milliseconds(200));
    EXPECT_EQ(ended.cut, Ended::Cut::too_long);
    EXPECT_EQ(WTERMSIG(ended.status), SIGKILL);
    EXPECT_EQ(ended.output, "begun\n");
    EXPECT_TRUE(breath.comes());
}

TEST_F(Child, IsNotWaitedForLongerThanItLivesWhereAnotherHoldsItsOutput) {
    const Ended ended = run("sleep 1000 & echo $!");
    EXPECT_EQ(ended.cut, Ended::Cut::no);
    EXPECT_EQ(ended.status, 0);
    // What it leaves on purpose, such as a daemon, stays.
    EXPECT_EQ(::kill(std::stoi(ended.output), SIGKILL), 0);
}

TEST_F(Child, IsHeardOfAlsoUnderARuntimeThatIgnoresItsOwn) {
    std::signal(SIGCHLD, SIG_IGN); // a program inherits that
    const Ended ended = run("exit 3");
    std::signal(SIGCHLD, SIG_DFL);
    EXPECT_EQ(WEXITSTATUS(ended.status), 3);
}

TEST_F(Child, ThatCannotBeStartedIsAnError) {
    try {
        run_child("/nowhere/child", {}, {}, long_patience);
        ADD_FAILURE();
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
        EXPECT_THAT(error.what(), testing::StartsWith("cannot run /nowhere/child"));
    }
}

} // namespace
} // namespace cni
