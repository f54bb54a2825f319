#include "test/faults/interception.h"

#include "test/kernel/scene.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <system_error>
#include <unistd.h>

namespace scene {

namespace {

constexpr int killed = -1;

/// Who is watched, and the number that the listener has there.
struct Watched {
    pid_t process;
    int listener;
};

sock_filter statement(int code, std::uint32_t value) {
    return {static_cast<std::uint16_t>(code), 0, 0, value};
}

/// Of the next two statements it takes the first where the call is this one.
sock_filter if_call(int call) {
    return {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(call)};
}

/// execve(2) always asks, so that the program does not begin before somebody answers; nothing of
/// ours makes pwritev2(2), by which the process tells of itself.
std::vector<sock_filter> filter_of(const std::vector<int>& calls) {
    const sock_filter ask = statement(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    const sock_filter allow = statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    std::vector<sock_filter> filter{
        statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    const auto add = [&](int call, sock_filter verdict) {
        filter.push_back(if_call(call));
        filter.push_back(verdict);
    };
    add(SYS_pwritev2, allow);
    add(SYS_execve, ask);
    for (const int call : calls)
        add(call, ask);
    filter.push_back(calls.empty() ? ask : allow);
    return filter;
}

} // namespace

Interception::Interception(std::vector<int> calls) : calls_(std::move(calls)) {
    std::array<int, 2> ends{};
    checked(::pipe2(ends.data(), O_CLOEXEC), "make a pipe");
    out_ = ends[0];
    in_ = ends[1];
    watcher_ = std::thread([this] { watch(); });
}

Interception::~Interception() {
    ::close(in_); // should nobody ever have begun
    watcher_.join();
    ::close(out_);
}

void Interception::begin() const {
    std::vector<sock_filter> filter = filter_of(calls_);
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    Watched self{::getpid(), -1};
    self.listener = checked(
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program),
        "intercept system calls");
    const iovec part{&self, sizeof self};
    ::syscall(SYS_pwritev2, in_, &part, 1, -1L, -1L, 0);
}

void Interception::watch() {
    Watched watched{};
    if (::read(out_, &watched, sizeof watched) != sizeof watched)
        return;
    const int process = static_cast<int>(::syscall(SYS_pidfd_open, watched.process, 0));
    const int listener = static_cast<int>(::syscall(SYS_pidfd_getfd, process, watched.listener, 0));
    ::close(process);
    if (listener < 0) // then every call fails, and the program with it
        return;
    for (pollfd waiting{listener, POLLIN, 0};;) {
        ::poll(&waiting, 1, -1);
        if (!(waiting.revents & POLLIN)) {
            if (waiting.revents & POLLHUP)
                break; // nobody is left
            continue;
        }
        seccomp_notif question{};
        if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question) != 0)
            continue; // ended by a signal meanwhile
        const int verdict = decide(question.data.nr);
        if (verdict == killed)
            ::kill(static_cast<pid_t>(question.pid), SIGKILL);
        seccomp_notif_resp answer{};
        answer.id = question.id;
        answer.error = verdict == killed ? -EINTR : -verdict;
        answer.flags = verdict == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0;
        ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
    ::close(listener);
}

int Interception::decide(int call) {
    if (call == SYS_execve)
        return 0;
    const std::scoped_lock lock(mutex_);
    if (after_ != Strike::any) {
        after_ = call == after_ ? Strike::any : after_;
        return 0;
    }
    ++counts_[call];
    if ((strike_.call != Strike::any && strike_.call != call) || ++seen_ != strike_.number)
        return 0;
    hit_ = true;
    return strike_.error == 0 ? killed : strike_.error;
}

void Interception::arm(const Strike& strike, int after) {
    const std::scoped_lock lock(mutex_);
    strike_ = strike;
    after_ = after;
    seen_ = 0;
    hit_ = false;
    counts_.clear();
}

bool Interception::hit() const {
    const std::scoped_lock lock(mutex_);
    return hit_;
}

std::map<int, int> Interception::counts() const {
    const std::scoped_lock lock(mutex_);
    return counts_;
}

} // namespace scene
