#include "test/system/process.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace scene {

namespace {

int to_status(int wait_status) {
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

/// By a signal that nobody sends.
bool is_crash(int status) {
    constexpr std::array signals{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    return std::ranges::find(signals, status - 128) != signals.end();
}

} // namespace

Process::Process(const Host& host, const Words& words, const std::filesystem::path& output,
                 const std::function<void()>& prepare) {
    std::vector<char*> arguments;
    for (const std::string& word : words)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_ = host.net().in([&] {
        const pid_t pid = ::fork();
        if (pid != 0)
            return pid;
        try {
            host.enter_own_run();
            const int file = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
            ::dup2(file, 1);
            ::dup2(file, 2);
            if (prepare)
                prepare();
            ::execvp(arguments[0], arguments.data());
        } catch (const std::exception&) { // the exit status tells
        }
        ::_exit(127);
    });
}

Process::~Process() {
    if (has_ended() && is_crash(*status_))
        ADD_FAILURE() << "a program ended by signal " << *status_ - 128;
    if (status_)
        return;
    ::kill(pid_, SIGTERM);
    if (!wait()) {
        ::kill(pid_, SIGKILL);
        wait();
    }
}

int Process::stop(int signal) {
    if (!has_ended()) // or its number may be another's by now
        ::kill(pid_, signal);
    return wait().value_or(-1);
}

bool Process::has_ended() {
    int ended = 0;
    if (!status_ && ::waitpid(pid_, &ended, WNOHANG) == pid_)
        status_ = to_status(ended);
    return status_.has_value();
}

std::optional<int> Process::wait() {
    comes_true([&] { return has_ended(); });
    return status_;
}

} // namespace scene
