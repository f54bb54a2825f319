#include "cni/child.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace cni {

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(int number, const std::string& tried) {
    throw std::system_error(number, std::generic_category(), "cannot " + tried);
}

// What a script may do with its streams, such as `cat /dev/stdin`, rules sockets out.

/// The child's standard input: a file without a name, so that nobody need feed it.
class Input {
  public:
    explicit Input(std::string_view text) : fd_(::memfd_create("stdin", MFD_CLOEXEC)) {
        if (fd_ < 0)
            fail(errno, "make a file in memory");
        try {
            write(text);
        } catch (...) {
            ::close(fd_);
            throw;
        }
    }
    Input(const Input&) = delete;
    Input& operator=(const Input&) = delete;
    ~Input() { ::close(fd_); }

    int fd() const { return fd_; }

  private:
    void write(std::string_view text) const {
        for (off_t at = 0; !text.empty();) { // the file's position stays at its start
            const ssize_t size = ::pwrite(fd_, text.data(), text.size(), at);
            if (size < 0 && errno != EINTR)
                fail(errno, "write a file in memory");
            at += std::max<ssize_t>(size, 0);
            text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        }
    }

    int fd_;
};

/// A pipe on which the child prints.
class Outlet {
  public:
    Outlet() {
        if (::pipe2(ends_.data(), O_CLOEXEC) != 0)
            fail(errno, "make a pipe");
        ::fcntl(ours(), F_SETFL, O_NONBLOCK);
    }
    Outlet(const Outlet&) = delete;
    Outlet& operator=(const Outlet&) = delete;
    ~Outlet() {
        close_ours();
        close_theirs();
    }

    int ours() const { return ends_[0]; }
    int theirs() const { return ends_[1]; }
    void close_ours() { close(ends_[0]); }
    void close_theirs() { close(ends_[1]); }

  private:
    static void close(int& fd) {
        if (fd >= 0)
            ::close(fd);
        fd = -1;
    }

    std::array<int, 2> ends_{-1, -1};
};

struct Streams {
    explicit Streams(std::string_view input) : in(input) {}

    Input in;
    Outlet out, err;
};

pid_t spawn(const std::string& program, const std::vector<std::string>& environment,
            const Streams& streams) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_adddup2(&actions, streams.in.fd(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, streams.out.theirs(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, streams.err.theirs(), STDERR_FILENO);
    ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    std::array<char*, 2> arguments{const_cast<char*>(program.c_str()), nullptr};
    std::vector<char*> variables;
    variables.reserve(environment.size() + 1);
    for (const std::string& variable : environment)
        variables.push_back(const_cast<char*>(variable.c_str()));
    variables.push_back(nullptr);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments.data(),
                                    variables.data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0)
        fail(error, "run " + program);
    return pid;
}

/// Appends what has come, without waiting for more. Closes the stream at its end.
void read_available(Outlet& stream, std::string& text) {
    std::array<char, 65536> block; // NOLINT(cppcoreguidelines-pro-type-member-init): read into
    while (stream.ours() >= 0 && text.size() <= output_limit) {
        const ssize_t size = ::read(stream.ours(), block.data(), block.size());
        if (size > 0)
            text.append(block.data(), static_cast<std::size_t>(size));
        else if (size < 0 && errno == EAGAIN)
            return;
        else if (size == 0 || errno != EINTR)
            stream.close_ours();
    }
}

/// Reads what the child prints until it has ended: what it may have left running and holds its
/// output open is not waited for.
Ended::Cut read_all(int child, Streams& streams, Ended& ended, Clock::time_point deadline) {
    for (bool alive = true; alive;) {
        std::array<pollfd, 3> waits{
            {{child, POLLIN, 0}, {streams.out.ours(), POLLIN, 0}, {streams.err.ours(), POLLIN, 0}}};
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0)
            return Ended::Cut::too_long;
        if (::poll(waits.data(), waits.size(), static_cast<int>(left)) < 0 && errno != EINTR)
            fail(errno, "wait for a plugin");
        alive = waits[0].revents == 0; // asked before the streams: what it wrote last is there
        read_available(streams.out, ended.output);
        read_available(streams.err, ended.log);
        if (std::max(ended.output.size(), ended.log.size()) > output_limit)
            return Ended::Cut::too_much;
    }
    return Ended::Cut::no;
}

} // namespace

Ended run_child(const std::string& program, const std::vector<std::string>& environment,
                const std::string& input, std::chrono::milliseconds patience) {
    std::signal(SIGCHLD, SIG_DFL); // ignored, as a runtime may leave it, a child's end is lost
    Streams streams(input);
    const pid_t pid = spawn(program, environment, streams);
    for (Outlet* stream : {&streams.out, &streams.err})
        stream->close_theirs();
    Ended ended;
    // Not by its name: glibc 2.36 declares that without C linkage.
    const int child = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    try {
        if (child < 0)
            fail(errno, "watch " + program);
        ended.cut = read_all(child, streams, ended, Clock::now() + patience);
    } catch (...) {
        ::kill(-pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        ::close(child);
        throw;
    }
    ::close(child);
    if (ended.cut != Ended::Cut::no)
        ::kill(-pid, SIGKILL);
    while (::waitpid(pid, &ended.status, 0) < 0)
        if (errno != EINTR)
            fail(errno, "wait for " + program);
    return ended;
}

} // namespace cni
