#include "ipam/search.h"
#include "test/unit/ipam_lease_scene.h"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace ipam {
namespace {

// Many processes, and dying ones

TEST_F(LeaseStore, GivesFiftyParallelProcessesAddressesOfTheirOwnFromTheFirstOpenOn) {
    const RangeSet many = set("10.1.0.0/24");
    std::array<int, 2> gate{};
    ASSERT_EQ(pipe(gate.data()), 0);
    std::vector<pid_t> children;
    for (int number = 0; number < 50; ++number)
        children.push_back(start([&] {
            close(gate[1]);
            char byte = 0;
            if (read(gate[0], &byte, 1) != 0) // until the parent closes its end
                throw std::logic_error("gate");
            for (int each = 0; each < 4; ++each) {
                Store leases(directory_);
                take(leases, number + each * 50, many);
            }
        }));
    close(gate[0]);
    close(gate[1]);
    for (const pid_t child : children)
        EXPECT_EQ(status_of(child), 0);

    const Store leases = store();
    const auto all = leases.leases("pods");
    ASSERT_EQ(all.size(), 200U);
    std::set<Owner> owners;
    for (const Lease& lease : all)
        owners.insert(lease.owner);
    EXPECT_EQ(owners.size(), 200U);
    EXPECT_EQ(all.back().address.to_string(), "10.1.0.200"); // no gap: nobody tried twice
    expect_consistent(leases, file());
}

/// Returns when the process has ended or the kernel has it wait for a file lock.
void until_ended_or_waiting(pid_t process) {
    const auto waiting = [&] {
        std::ifstream locks("/proc/locks");
        for (std::string line; std::getline(locks, line);)
            if (line.find("-> FLOCK") != std::string::npos &&
                line.find(' ' + std::to_string(process) + ' ') != std::string::npos)
                return true;
        return false;
    };
    pollfd end{.fd = static_cast<int>(syscall(SYS_pidfd_open, process, 0)),
               .events = POLLIN,
               .revents = 0};
    while (poll(&end, 1, 1) == 0 && !waiting())
        continue;
    close(end.fd);
}

TEST_F(LeaseStore, MakesOthersWaitFromTheSearchToTheLease) {
    Store leases = store();
    pid_t other = -1;
    const auto in_use = [&](const Address&) {
        other = start([&] {
            Store its(directory_);
            take(its, 2);
        });
        until_ended_or_waiting(other);
        return false;
    };
    EXPECT_THAT(text(leases.allocate(owner(1), {.sets = {six}, .in_use = in_use}).addresses),
                ElementsAre("10.0.0.1"));
    EXPECT_EQ(status_of(other), 0);
    EXPECT_THAT(text(leases.find(owner(2))), ElementsAre("10.0.0.2"));
}

/// start(), to be led by run_to_stop().
pid_t start_traced(const auto& action) {
    return start([&] {
        if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0)
            throw std::logic_error("this test needs to trace its own child");
        raise(SIGSTOP);
        action();
    });
}

/// Lets a traced child run to its `stops`th entry to or exit from a system call. False where it
/// ended before. The files change by system calls only: the stops are all there is to see of it.
/// They come in twos: what a call finds at its entry is what the one before left.
bool run_to_stop(pid_t child, int stops) {
    int status = 0;
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_EXITKILL);
    for (int stop = 0; stop < stops; ++stop) {
        ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
        waitpid(child, &status, 0);
        if (WIFEXITED(status)) {
            EXPECT_EQ(WEXITSTATUS(status), 0);
            return false;
        }
    }
    return true;
}

TEST_F(LeaseStore, OutlivesAKillBetweenAnyTwoSystemCalls) {
    int stops = 0;
    for (bool running = true; running; stops += 2) {
        fs::remove_all(directory_);
        const pid_t child = start_traced([&] {
            Store leases(directory_);
            leases.allocate(owner(1), {.sets = {six, six_of_ipv6}});
            leases.release(owner(1));
        });
        running = run_to_stop(child, stops);
        if (running) {
            kill(child, SIGKILL);
            EXPECT_TRUE(WIFSIGNALED(status_of(child)));
        }

        Store leases = store();
        const std::size_t had = leases.leases("pods").size();
        take(leases, 3);
        EXPECT_EQ(leases.leases("pods").size(), had + 1);
        const std::size_t of_first = leases.find(owner(1)).size();
        EXPECT_TRUE(of_first == 0 || of_first == 2) << of_first;
        expect_consistent(leases, file());
        ASSERT_FALSE(HasFailure()) << "killed at stop " << stops;
    }
    EXPECT_GT(stops, 50); // it was not over before it began
}

TEST_F(LeaseStore, IsSharedWithAProcessThatComesBetweenAnyTwoSystemCalls) {
    int stops = 0;
    for (bool running = true; running; stops += 2) {
        fs::remove_all(directory_);
        const auto open_and_take = [&](int number) {
            Store leases(directory_);
            take(leases, number);
        };
        const pid_t first = start_traced([&] { open_and_take(1); });
        running = run_to_stop(first, stops);
        const pid_t second = start([&] { open_and_take(2); });
        until_ended_or_waiting(second);
        if (running) {
            ptrace(PTRACE_DETACH, first, nullptr, nullptr);
            EXPECT_EQ(status_of(first), 0);
        }
        EXPECT_EQ(status_of(second), 0);

        const Store leases = store();
        EXPECT_EQ(leases.leases("pods").size(), 2U);
        expect_consistent(leases, file());
        ASSERT_FALSE(HasFailure()) << "at stop " << stops;
    }
    EXPECT_GT(stops, 30);
}

TEST_F(LeaseStore, OutlivesKillsAtAnyMomentOfABusyLife) {
    for (int round = 0; round < 60; ++round) {
        std::array<int, 2> beat{};
        ASSERT_EQ(pipe(beat.data()), 0);
        const pid_t child = start([&] {
            close(beat[0]);
            for (int number = round * 1000;; ++number) {
                Store leases(directory_);
                leases.allocate(owner(number), {.sets = {six, six_of_ipv6}});
                leases.release(owner(number - number % 3));
                if (number % 3 == 2)
                    leases.release(owner(number - 1));
                leases.release(owner(number));
                if (write(beat[1], "", 1) != 1)
                    throw std::logic_error("beat");
            }
        });
        close(beat[1]);
        char byte = 0;
        for (int beats = 0; beats <= round % 3; ++beats)
            ASSERT_EQ(read(beat[0], &byte, 1), 1);
        const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(11 * round);
        while (std::chrono::steady_clock::now() < until) // another phase of its loop each time
            continue;
        kill(child, SIGKILL);
        close(beat[0]);
        EXPECT_TRUE(WIFSIGNALED(status_of(child)));

        Store leases = store();
        expect_consistent(leases, file());
        for (const Lease& lease : leases.leases("pods"))
            leases.release(lease.owner);
        EXPECT_TRUE(leases.empty("pods"));
        take(leases, -1 - round);
        leases.release(owner(-1 - round));
        ASSERT_FALSE(HasFailure()) << "round " << round;
    }
}

TEST_F(LeaseStore, KeepsWorkingInTheSameProcessTwice) {
    Store one = store();
    {
        Store two = store();
        take(two, 1);
    }
    EXPECT_EQ(take(one, 2), "10.0.0.2");
    Store moved = std::move(one);
    EXPECT_EQ(take(moved, 3), "10.0.0.3");
    moved = store();
    EXPECT_EQ(moved.leases("pods").size(), 3U);
}

TEST_F(LeaseStore, DoesNotHandItsFilesToProgramsItsProcessStarts) {
    const Store leases = store();
    int seen = 0;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
        std::error_code gone; // the iterator's own
        if (!fs::read_symlink(entry.path(), gone).native().starts_with(directory_.native()))
            continue;
        ++seen;
        EXPECT_TRUE(fcntl(std::stoi(entry.path().filename()), F_GETFD) & FD_CLOEXEC)
            << entry.path();
    }
    EXPECT_GT(seen, 0);
}

} // namespace
} // namespace ipam
