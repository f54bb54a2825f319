#include "agent/confinement.h"

#include <cerrno>
#include <initializer_list>
#include <memory>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/nsfs.h>

namespace agent {

namespace {

constexpr std::initializer_list<const char*> files{
    "access",        "chmod",      "close",      "dup",      "faccessat",
    "faccessat2",    "fchmod",     "fchmodat",   "fcntl",    "fdatasync",
    "flock",         "fstat",      "fstatfs",    "fsync",    "ftruncate",
    "getcwd",        "getdents64", "link",       "linkat",   "lseek",
    "lstat",         "mkdir",      "mkdirat",    "msync",    "newfstatat",
    "open",          "openat",     "pread64",    "pwrite64", "pwritev",
    "read",          "readlink",   "readlinkat", "readv",    "rename",
    "renameat",      "renameat2",  "stat",       "statx",    "unlink",
    "unlinkat",      "write",      "utimensat",  "writev",   "inotify_add_watch",
    "inotify_init1", "statfs",
};

constexpr std::initializer_list<const char*> memory_and_threads{
    "brk",
    "exit",
    "exit_group",
    "futex",
    "get_robust_list",
    "madvise",
    "mremap",
    "munmap",
    "rseq",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
};

constexpr std::initializer_list<const char*> clocks_and_signals{
    "clock_getres",   "clock_gettime", "clock_nanosleep", "eventfd2",        "getpid",
    "gettid",         "gettimeofday",  "nanosleep",       "pipe2",           "poll",
    "ppoll",          "pselect6",      "select",          "restart_syscall", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn",  "rt_sigtimedwait", "sigaltstack",     "signalfd4",
    "time",
};

constexpr std::initializer_list<const char*> who_and_where{
    "getegid",   "geteuid", "getgid",  "getppid", "getrandom",
    "getrlimit", "getuid",  "sysinfo", "uname",
};

/// Of sockets that exist; which ones can is told below.
constexpr std::initializer_list<const char*> sockets{
    "accept",     "accept4", "bind",       "connect",  "getpeername", "getsockname",
    "getsockopt", "listen",  "recvfrom",   "recvmmsg", "recvmsg",     "sendmmsg",
    "sendmsg",    "sendto",  "setsockopt", "shutdown",
};

void check(int result, const char* what) {
    if (result < 0)
        throw std::system_error(-result, std::generic_category(), what);
}

/// A list of what may be called, to be given to the kernel.
class Filter {
  public:
    Filter() : context_(::seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), &::seccomp_release) {
        if (!context_)
            throw std::system_error(ENOMEM, std::generic_category(), cannot);
        // By number in a tree instead of one after the other.
        check(::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2), cannot);
        // The kernel's own errors.
        check(::seccomp_attr_set(context_.get(), SCMP_FLTATR_API_SYSRAWRC, 1), cannot);
    }

    void allow(std::initializer_list<const char*> names) {
        for (const char* name : names)
            allow(name, {});
    }

    /// Those calls for which all comparisons hold. An architecture that has no such call needs no
    /// rule for it.
    void allow(const char* name, std::initializer_list<scmp_arg_cmp> comparisons) {
        const int call = ::seccomp_syscall_resolve_name(name);
        if (call < 0)
            return;
        check(::seccomp_rule_add_array(context_.get(), SCMP_ACT_ALLOW, call,
                                       static_cast<unsigned>(comparisons.size()),
                                       comparisons.begin()),
              cannot);
    }

    void load() { check(::seccomp_load(context_.get()), cannot); }

  private:
    static constexpr const char* cannot = "cannot confine the agent by seccomp";
    std::unique_ptr<void, decltype(&::seccomp_release)> context_;
};

// Arguments are counted from 0.

scmp_arg_cmp equal(unsigned argument, int value) {
    return {argument, SCMP_CMP_EQ, static_cast<scmp_datum_t>(value), 0};
}

scmp_arg_cmp masked(unsigned argument, int mask, int value) {
    return {argument, SCMP_CMP_MASKED_EQ, static_cast<scmp_datum_t>(mask),
            static_cast<scmp_datum_t>(value)};
}

} // namespace

void confine() {
#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(__riscv)
    // Others have socketcall(2), clone(2) with its arguments in another order, 32 bits.
    throw std::system_error(ENOSYS, std::generic_category(),
                            "the agent's list of system calls is not that of this architecture");
#endif
    Filter filter;
    for (const auto& names :
         {files, memory_and_threads, clocks_and_signals, who_and_where, sockets})
        filter.allow(names);

    // Never both to be written and run.
    constexpr int both = PROT_WRITE | PROT_EXEC;
    for (const char* call : {"mmap", "mprotect"})
        for (const int one : {0, PROT_WRITE, PROT_EXEC})
            filter.allow(call, {masked(2, both, one)});

    // Threads and no processes. Of clone3 the flags cannot be seen: without it, glibc takes clone.
    constexpr int namespaces = CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS |
                               CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS;
    filter.allow("clone", {masked(0, CLONE_THREAD | namespaces, CLONE_THREAD)});
    filter.allow("prlimit64", {equal(0, 0)}); // its own
    filter.allow("prctl", {equal(0, PR_SET_NAME)});
    filter.allow("tgkill", {equal(0, ::getpid())}); // abort(3)

    constexpr int type = 0xf; // the rest are SOCK_CLOEXEC and SOCK_NONBLOCK
    for (const int family : {AF_INET, AF_INET6})
        for (const auto& [kind, protocol] : {std::pair<int, int>(SOCK_STREAM, IPPROTO_TCP),
                                             {SOCK_DGRAM, IPPROTO_UDP},
                                             {SOCK_STREAM, 0},
                                             {SOCK_DGRAM, 0}})
            filter.allow("socket", {equal(0, family), masked(1, type, kind), equal(2, protocol)});
    for (const int protocol : {NETLINK_ROUTE, NETLINK_NETFILTER})
        filter.allow("socket", {equal(0, AF_NETLINK), equal(2, protocol)});
    filter.allow("socketpair", {equal(0, AF_UNIX)}); // libcurl wakes itself by one

    for (const unsigned request : std::initializer_list<unsigned>{
             FIONBIO, FIONREAD, TCGETS, SIOCGIFINDEX, SIOCGIFNAME, NS_GET_NSTYPE})
        filter.allow("ioctl", {equal(1, static_cast<int>(request))});

    filter.load();
}

} // namespace agent
