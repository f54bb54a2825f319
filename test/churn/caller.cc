#include "test/churn/caller.h"

#include <cerrno>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace scene {

namespace {

int scratch() {
    return checked(::memfd_create("churn", MFD_CLOEXEC), "make a scratch file");
}

void fill(int fd, const std::string& text) {
    checked(::ftruncate(fd, 0), "empty a scratch file");
    checked(::pwrite(fd, text.data(), text.size(), 0), "write to it");
    checked(::lseek(fd, 0, SEEK_SET), "go to its beginning");
}

std::string text_of(int fd) {
    std::string text(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '\0');
    checked(::pread(fd, text.data(), text.size(), 0), "read a scratch file");
    return text;
}

} // namespace

Caller::Caller() : in_(scratch()), out_(scratch()), err_(scratch()) {}

Caller::~Caller() {
    for (const int fd : {in_, out_, err_})
        ::close(fd);
}

Output Caller::call(const Call& call) {
    fill(in_, call.config);
    fill(out_, {});
    fill(err_, {});
    Words environment{"PATH=/usr/sbin:/usr/bin", "CNI_COMMAND=" + call.verb,
                      "CNI_CONTAINERID=" + call.container, "CNI_IFNAME=" + call.interface,
                      std::string("CNI_PATH=") + PROGRAMS};
    if (call.netns)
        environment.push_back("CNI_NETNS=" + *call.netns);
    std::vector<char*> variables;
    for (std::string& variable : environment)
        variables.push_back(variable.data());
    variables.push_back(nullptr);
    std::string program = std::string(PROGRAMS) + "/ipip";
    char* arguments[] = {program.data(), nullptr};

    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in_, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out_, 1);
    ::posix_spawn_file_actions_adddup2(&actions, err_, 2);
    pid_t pid = 0;
    // It shares this thread's memory until exec(2), and comes to be in its namespaces.
    errno = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, variables.data());
    ::posix_spawn_file_actions_destroy(&actions);
    checked(errno == 0 ? 0 : -1, "start the plugin");
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            checked(-1, "wait for the plugin");
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), text_of(out_),
            text_of(err_)};
}

} // namespace scene
