#include "test/kubernetes/daemon.h"

#include "test/kernel/scene.h"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace scene {

namespace {

std::vector<char*> pointers(const Words& words) {
    std::vector<char*> list;
    for (const std::string& word : words)
        list.push_back(const_cast<char*>(word.c_str()));
    list.push_back(nullptr);
    return list;
}

} // namespace

Daemon::Daemon(const Program& program, const std::filesystem::path& log)
    : name_(program.words.at(0)), log_(log), pid_(-1), fd_(-1) {
    const std::vector<char*> arguments = pointers(program.words);
    const std::vector<char*> environment = pointers(program.environment);
    const int out =
        checked(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), log.c_str());
    const int in = checked(::open("/dev/null", O_RDONLY | O_CLOEXEC), "/dev/null");
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::dup2(in, 0) == 0 && ::dup2(out, 1) == 1 && ::dup2(out, 2) == 2) {
            if (program.prepare)
                program.prepare();
            ::execvpe(arguments[0], arguments.data(),
                      program.environment.empty() ? environ : environment.data());
        }
        ::_exit(127);
    }
    ::close(in);
    ::close(out);
    checked(pid_, "start a process");
    fd_ = checked(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)), "watch a process");
}

Daemon::~Daemon() {
    if (status_ < 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    ::close(fd_);
}

bool Daemon::ended(std::chrono::milliseconds patience) {
    if (status_ >= 0)
        return true;
    pollfd waiting{fd_, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(patience.count())) != 1)
        return false;
    int status = 0;
    checked(::waitpid(pid_, &status, 0), "wait for a process");
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

void Daemon::signal(int number) {
    if (status_ < 0)
        ::kill(pid_, number);
}

int Daemon::end(int number, std::chrono::seconds patience) {
    signal(number);
    if (!ended(patience))
        throw std::runtime_error(name_ + " does not end after signal " + std::to_string(number) +
                                 ":\n" + last_words());
    return status_;
}

std::string Daemon::last_words() const {
    constexpr std::size_t size = 4000;
    std::ifstream file(log_);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    return text.size() <= size ? text : text.substr(text.size() - size);
}

} // namespace scene
