#include "test/faults/strikes.h"

#include "test/faults/sweep.h"

#include <algorithm>
#include <atomic>
#include <sys/syscall.h>
#include <thread>

namespace scene {

namespace {

const std::map<int, int> errors{
    {SYS_sendmsg, ENOBUFS}, {SYS_recvfrom, ENOBUFS}, {SYS_socket, EMFILE},     {SYS_bind, ENOMEM},
    {SYS_setns, EPERM},     {SYS_openat, EMFILE},    {SYS_open, EMFILE},       {SYS_read, EIO},
    {SYS_write, ENOSPC},    {SYS_writev, ENOSPC},    {SYS_pwrite64, ENOSPC},   {SYS_pread64, EIO},
    {SYS_flock, ENOLCK},    {SYS_rename, EIO},       {SYS_link, ENOSPC},       {SYS_unlink, EIO},
    {SYS_mkdir, ENOSPC},    {SYS_ftruncate, ENOSPC}, {SYS_fsync, EIO},         {SYS_fdatasync, EIO},
    {SYS_getdents64, EIO},  {SYS_fstat, ENOMEM},     {SYS_newfstatat, EIO},    {SYS_access, EIO},
    {SYS_ioctl, ENOMEM},    {SYS_fcntl, ENOMEM},     {SYS_setsockopt, ENOMEM}, {SYS_clone, EAGAIN},
    {SYS_clone3, EAGAIN},   {SYS_poll, ENOMEM},      {SYS_pidfd_open, EMFILE}, {SYS_mmap, ENOMEM},
    {SYS_renameat2, EIO},
};

std::string name_of(const Strike& strike) {
    return "call " + std::to_string(strike.call) + ", number " + std::to_string(strike.number) +
           (strike.error == 0 ? ", killed" : ", errno " + std::to_string(strike.error));
}

std::vector<Strike> sample(const std::vector<Strike>& all) {
    const auto stride = static_cast<std::size_t>(std::max(1, number_of("IPIP_FAULT_STRIDE", 1)));
    std::vector<Strike> chosen;
    for (std::size_t i = 0; i < all.size(); i += stride)
        chosen.push_back(all[i]);
    return chosen;
}

} // namespace

std::vector<int> refused_calls() {
    std::vector<int> calls;
    for (const auto& [call, error] : errors)
        calls.push_back(call);
    return calls;
}

std::vector<Strike> refusals(const std::map<int, int>& counts) {
    std::vector<Strike> strikes;
    for (const auto& [call, count] : counts)
        if (const auto error = errors.find(call); error != errors.end())
            for (int number = 1; number <= count; ++number)
                strikes.push_back({.call = call, .error = error->second, .number = number});
    return strikes;
}

std::vector<Strike> kills(const std::map<int, int>& counts) {
    int all = 0;
    for (const auto& [call, count] : counts)
        all += count;
    std::vector<Strike> strikes;
    for (int number = 1; number <= all; ++number)
        strikes.push_back({.number = number});
    return strikes;
}

void sweep_strikes(const std::string& campaign, const std::vector<Strike>& strikes,
                   const StrikeScene& scene) {
    const std::vector<Strike> chosen = sample(strikes);
    std::atomic<std::size_t> next = 0;
    std::atomic<int> met = 0;
    const auto work = [&] {
        StrikeCase act;
        for (std::size_t i = 0; (i = next++) < chosen.size();) {
            Verdict verdict;
            bool hit = false;
            try {
                if (!act)
                    act = scene();
                hit = act(chosen[i], verdict);
            } catch (const std::exception& error) {
                verdict.require(false, error.what());
            }
            if (hit || !verdict.is_survived())
                judge(campaign, name_of(chosen[i]), verdict);
            if (!verdict.is_survived())
                act = nullptr;
            met += hit ? 1 : 0;
        }
    };
    std::vector<std::thread> workers;
    for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i)
        workers.emplace_back(work);
    for (std::thread& worker : workers)
        worker.join();
    EXPECT_FALSE(chosen.empty()) << campaign;
    EXPECT_GE(2U * static_cast<unsigned>(met), chosen.size()) // one run is not quite like another
        << campaign << ": only " << met << " strikes were met";
}

} // namespace scene
