#include "cni/child.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
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

/// Our end of a stream of the child's, and the end that it gets.
class Stream {
  public:
    Stream() {
        // Not pipes: writing to a socket that nobody reads can be told not to raise SIGPIPE.
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()) != 0)
            fail(errno, "make a socket pair");
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() {
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
    Stream in, out, err;
};

pid_t spawn(const std::string& program, const std::vector<std::string>& environment,
            const Streams& streams) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_adddup2(&actions, streams.in.theirs(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, streams.out.theirs(), STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, streams.err.theirs(), STDERR_FILENO);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    std::array<char*, 2> arguments{const_cast<char*>(program.c_str()), nullptr};
    std::vector<char*> variables;
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
void read_available(Stream& stream, std::string& text) {
    std::array<char, 65536> block; // NOLINT(cppcoreguidelines-pro-type-member-init): read into
    while (stream.ours() >= 0 && text.size() <= output_limit) {
        const ssize_t size = ::recv(stream.ours(), block.data(), block.size(), MSG_DONTWAIT);
        if (size > 0)
            text.append(block.data(), static_cast<std::size_t>(size));
        else if (size < 0 && errno == EAGAIN)
            return;
        else if (size == 0 || errno != EINTR)
            stream.close_ours();
    }
}

/// Feeds and reads the child until it has ended: what it may have left running and holds its
/// output open is not waited for. False where `deadline` came first, or it prints without end.
bool converse(int child, Streams& streams, std::string_view input, Ended& ended,
              Clock::time_point deadline) {
    for (bool alive = true; alive;) {
        if (input.empty())
            streams.in.close_ours();
        std::array<pollfd, 4> waits{{{child, POLLIN, 0},
                                     {streams.in.ours(), POLLOUT, 0},
                                     {streams.out.ours(), POLLIN, 0},
                                     {streams.err.ours(), POLLIN, 0}}};
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0)
            return false;
        if (::poll(waits.data(), waits.size(), static_cast<int>(left)) < 0 && errno != EINTR)
            fail(errno, "wait for a plugin");
        alive = waits[0].revents == 0; // asked before the streams: what it wrote last is there
        if (waits[1].revents != 0) {
            const ssize_t sent =
                ::send(streams.in.ours(), input.data(), input.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            // A child that does not read all of it is none the worse for that.
            input.remove_prefix(sent < 0 ? input.size() : static_cast<std::size_t>(sent));
        }
        read_available(streams.out, ended.output);
        read_available(streams.err, ended.log);
        if (std::max(ended.output.size(), ended.log.size()) > output_limit)
            return false;
    }
    return true;
}

} // namespace

Ended run_child(const std::string& program, const std::vector<std::string>& environment,
                const std::string& input, std::chrono::milliseconds patience) {
    Streams streams;
    const pid_t pid = spawn(program, environment, streams);
    for (Stream* stream : {&streams.in, &streams.out, &streams.err})
        stream->close_theirs();
    Ended ended;
    // Not by its name: glibc 2.36 declares that without C linkage.
    const int child = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    try {
        if (child < 0)
            fail(errno, "watch " + program);
        ended.killed = !converse(child, streams, input, ended, Clock::now() + patience);
    } catch (...) {
        ::kill(-pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        ::close(child);
        throw;
    }
    ::close(child);
    if (ended.killed)
        ::kill(-pid, SIGKILL);
    while (::waitpid(pid, &ended.status, 0) < 0)
        if (errno != EINTR)
            fail(errno, "wait for " + program);
    return ended;
}

} // namespace cni
