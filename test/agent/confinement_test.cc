#include "agent/confinement.h"

#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sched.h>
#include <string>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

/// What `act` returns in a process that is confined, at most 127.
int confined(const std::function<int()>& act) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        int result = 126;
        try {
            agent::confine();
            result = act();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
        }
        ::_exit(result);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// The error that a system call leaves in a process that is confined; 0: none.
int error_of(const std::function<long()>& call) {
    return confined([&] { return call() < 0 ? errno : 0; });
}

TEST(Confinement, StartsNoOtherProgram) {
#ifdef SYS_fork // newer architectures have clone alone
    EXPECT_EQ(error_of([] { return ::syscall(SYS_fork); }), ENOSYS);
    EXPECT_EQ(error_of([] { return ::syscall(SYS_vfork); }), ENOSYS);
#endif
    EXPECT_EQ(error_of([] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }), ENOSYS);
    EXPECT_EQ(error_of([] { return ::execl("/bin/true", "true", nullptr); }), ENOSYS);
    EXPECT_EQ(error_of([] { return ::syscall(SYS_execveat, -1, "", nullptr, nullptr, 0); }),
              ENOSYS);
}

TEST(Confinement, EntersNoNamespace) {
    EXPECT_EQ(error_of([] { return ::setns(::open("/proc/self/ns/net", O_RDONLY), 0); }), ENOSYS);
    EXPECT_EQ(error_of([] { return ::unshare(CLONE_NEWNET); }), ENOSYS);
    constexpr int thread = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
    EXPECT_EQ(error_of([] { return ::syscall(SYS_clone, thread | CLONE_NEWNET, 0, 0, 0, 0); }),
              ENOSYS);
    EXPECT_EQ(error_of([] { return ::mount("a", "/", "tmpfs", 0, nullptr); }), ENOSYS);
    EXPECT_EQ(error_of([] { return ::chroot("/"); }), ENOSYS);
}

TEST(Confinement, LooksIntoNoOtherProcess) {
    EXPECT_EQ(error_of([] { return ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr); }),
              ENOSYS);
    EXPECT_EQ(error_of([] { return ::syscall(SYS_process_vm_readv, ::getppid(), 0, 0, 0, 0, 0); }),
              ENOSYS);
    EXPECT_EQ(error_of([] { return ::kill(::getppid(), 0); }), ENOSYS);
    rlimit limit{};
    EXPECT_EQ(error_of([&] { return ::prlimit(::getppid(), RLIMIT_CPU, nullptr, &limit); }),
              ENOSYS);
    EXPECT_EQ(error_of([&] { return ::prlimit(0, RLIMIT_CPU, nullptr, &limit); }), 0);
    EXPECT_EQ(error_of([] { return ::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0); }), ENOSYS);
}

TEST(Confinement, OpensNoRawSocket) {
    EXPECT_EQ(error_of([] { return ::socket(AF_PACKET, SOCK_RAW, 0); }), ENOSYS);
    EXPECT_EQ(error_of([] { return ::socket(AF_INET, SOCK_RAW, IPPROTO_IPIP); }), ENOSYS);
    EXPECT_EQ(error_of([] { return ::socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP); }), ENOSYS);
    EXPECT_EQ(error_of([] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }), ENOSYS);
    EXPECT_EQ(error_of([] { return ::socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT); }), ENOSYS);
}

TEST(Confinement, RunsNothingThatItCanWriteTo) {
    const auto map = [](int protection) {
        return [=] {
            void* page = ::mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            return page == MAP_FAILED ? -1L : 0L;
        };
    };
    EXPECT_EQ(error_of(map(PROT_READ | PROT_WRITE | PROT_EXEC)), ENOSYS);
    EXPECT_EQ(error_of(map(PROT_READ | PROT_EXEC)), 0);
    EXPECT_EQ(error_of(map(PROT_READ | PROT_WRITE)), 0);
}

TEST(Confinement, CannotBeLeft) {
    EXPECT_EQ(confined([] { return ::prctl(PR_SET_NAME, "name") == 0 ? 0 : errno; }), 0);
    EXPECT_EQ(error_of([] { return ::prctl(PR_SET_DUMPABLE, 0); }), ENOSYS);
    std::string line;
    EXPECT_EQ(confined([&] {
                  std::ifstream status("/proc/self/status");
                  int found = 0;
                  while (std::getline(status, line))
                      found += line == "NoNewPrivs:\t1" || line == "Seccomp:\t2" ? 1 : 0;
                  return found;
              }),
              2);
}

TEST(Confinement, LeavesAnAgentItsWork) {
    EXPECT_EQ(error_of([] { return ::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); }), 0);
    EXPECT_EQ(error_of([] { return ::socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER); }), 0);
    EXPECT_EQ(error_of([] { return ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0); }), 0);
    EXPECT_EQ(confined([] {
                  int value = 1;
                  std::thread([&] { value = 0; }).join();
                  return value;
              }),
              0);
    EXPECT_EQ(confined([] {
                  addrinfo* found = nullptr;
                  const int error = ::getaddrinfo("localhost", "443", nullptr, &found);
                  return error == 0 ? 0 : -error;
              }),
              0);
    EXPECT_EQ(confined([] {
                  ::abort();
                  return 0;
              }),
              128 + SIGABRT);
}

} // namespace
