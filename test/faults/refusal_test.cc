#include "test/faults/sweep.h"
#include <csignal>

// The kernel refuses one request of a call, each in turn.

namespace scene {
namespace {

struct Refusal {
    const char* call;
    std::vector<const char*> errors;
};

/// What each of these can really fail with. EINTR only where signal(7) has it: not on files.
const std::vector<Refusal> refusals{
    {"sendmsg", {"ENOBUFS", "EPERM", "ENOMEM", "EINTR"}},
    {"recvfrom", {"ENOBUFS", "ENOMEM", "EINTR"}},
    {"socket", {"EMFILE", "ENOBUFS"}},
    {"bind", {"ENOMEM"}},
    {"setns", {"EPERM", "ENOMEM"}},
    {"openat", {"EMFILE", "ENOMEM", "EIO"}},
    {"read", {"EIO"}},
    {"write", {"ENOSPC", "EIO"}},
    {"writev", {"ENOSPC", "EIO"}},
    {"pwrite64", {"ENOSPC", "EIO"}},
    {"pread64", {"EIO"}},
    {"flock", {"ENOLCK", "EINTR"}},
    {"mmap", {"ENOMEM"}},
    {"rename", {"ENOSPC", "EIO"}},
    {"link", {"ENOSPC", "EIO"}},
    {"unlink", {"EIO"}},
    {"mkdir", {"ENOSPC", "EIO"}},
    {"ftruncate", {"ENOSPC"}},
    {"fsync", {"EIO"}},
    {"fdatasync", {"EIO"}},
    {"getdents64", {"EIO"}},
    {"fstat", {"ENOMEM"}},
    {"newfstatat", {"EIO", "ENOMEM"}},
    {"access", {"EIO"}},
    {"ioctl", {"ENOMEM"}},
    {"fcntl", {"ENOMEM"}},
    {"fstatfs", {"EIO", "ENOMEM"}},
    {"utimensat", {"EIO", "ENOSPC"}},
    {"setsockopt", {"ENOMEM"}},
    {"clone", {"EAGAIN"}},
    {"clone3", {"EAGAIN"}},
    {"poll", {"EINTR", "ENOMEM"}},
    {"wait4", {"EINTR"}},
    {"pidfd_open", {"EMFILE"}},
    {"close_range", {"ENOSYS"}},
};

/// What the kernel has no reason to refuse, or what only gives back.
const std::set<std::string> never_refused{
    "exit",     "lseek",      "uname",     "arch_prctl",      "brk",
    "close",    "exit_group", "geteuid",   "getpid",          "gettid",
    "munmap",   "prctl",      "prlimit64", "rt_sigaction",    "rt_sigprocmask",
    "rseq",     "getrandom",  "mprotect",  "set_robust_list", "set_tid_address",
    "readlink",
};

std::vector<Row> rows_of(const std::string& verb) {
    std::vector<Row> rows;
    for (const auto& [call, errors] : refusals)
        for (const char* error : errors)
            rows.push_back({.campaign = "fault " + verb + '/' + call + '/' + error,
                            .fault = {.call = call, .how = std::string("error=") + error}});
    return rows;
}

/// Those of them that are of these calls, with this error where one is named.
std::vector<Row> rows_of(const std::string& verb, const std::set<std::string>& calls,
                         const std::string& error = {}) {
    std::vector<Row> rows = rows_of(verb);
    std::erase_if(rows, [&](const Row& row) {
        return !calls.contains(row.fault.call) ||
               (!error.empty() && row.fault.how != "error=" + error);
    });
    return rows;
}

/// From one call on the kernel refuses all: nothing can be undone then.
std::vector<Row> lasting_rows_of(const std::string& verb) {
    std::vector<Row> rows;
    for (const auto& [call, error] :
         std::vector<std::pair<std::string, std::string>>{{"sendmsg", "ENOBUFS"},
                                                          {"openat", "EMFILE"},
                                                          {"socket", "EMFILE"},
                                                          {"pwrite64", "ENOSPC"}})
        rows.push_back({.campaign = "fault " + verb + '/' + call + '/' + error + " for good",
                        .fault = {.call = call, .how = "error=" + error, .all_later = true}});
    return rows;
}

/// It failed, and said why. A thread that cannot come home out of a pod's namespace must not go
/// on at all, and so says nothing.
void require_failure(Verdict& verdict, const Fault& fault, const Output& output) {
    const bool abandoned = fault.call == "setns" && output.status == 128 + SIGABRT;
    const bool cannot_speak = fault.call == "write" && output.status != 0;
    if (!abandoned && !cannot_speak)
        require_told(verdict, output);
    verdict.require(!fault.is_interruption(), "an interruption is no failure: " + output.out);
}

bool fail_add(const Victim& victim, const Fault& fault, Verdict& verdict) {
    const Pod pod("pod");
    const auto [output, hit] = strike(victim.host(), victim.add(pod), fault);
    if (output.status == 0) {
        victim.require_attached(verdict, pod, output, "beside the fault");
    } else {
        require_failure(verdict, fault, output);
        if (output.status == 1 && !fault.all_later)
            victim.require_untouched(verdict, pod, "after the failed ADD, " + output.out);
        else
            victim.require_success(verdict, victim.del(pod), "after the failed ADD");
        victim.require_attached(verdict, pod, victim.host().call(victim.add(pod)), "as the next");
    }
    victim.require_success(verdict, victim.del(pod), "in the end");
    victim.require_untouched(verdict, pod, "after the DEL");
    return hit;
}

bool fail_del(const Victim& victim, const Fault& fault, Verdict& verdict) {
    const Pod pod("pod");
    const Output added = victim.require_success(verdict, victim.add(pod), "before");
    const std::string link = link_of(Json::parse(added.out));
    const auto [output, hit] = strike(victim.host(), victim.del(pod), fault);
    victim.require_lease_where_linked(verdict, pod, link, "after the DEL struck");
    if (output.status != 0) {
        require_failure(verdict, fault, output);
        victim.require_success(verdict, victim.del(pod), "as the next");
    }
    victim.require_untouched(verdict, pod, "after the DEL");
    return hit;
}

bool fail_gc(const Victim& victim, const Fault& fault, Verdict& verdict) {
    const Pod pod("pod");
    victim.require_success(verdict, victim.add(pod), "before");
    const auto [output, hit] = strike(victim.host(), victim.gc(), fault);
    if (output.status != 0) {
        require_failure(verdict, fault, output);
        victim.require_success(verdict, victim.gc(), "as the next");
    }
    victim.require_untouched(verdict, pod, "after the GC");
    return hit;
}

/// Of a call that changes nothing. `truth` is whether it may succeed.
bool fail_question(const Victim& victim, const Call& question, bool truth, const Fault& fault,
                   Verdict& verdict) {
    const auto [output, hit] = strike(victim.host(), question, fault);
    if (output.status == 0)
        verdict.require(truth, question.verb + " took what is wrong for right");
    else if (truth || !fault.is_interruption())
        require_failure(verdict, fault, output);
    victim.require_untouched(verdict, "after the " + question.verb);
    if (truth)
        victim.require_success(verdict, question, "as the next");
    return hit;
}

TEST(RefusedRequest, IsTriedOfEverySystemCallThatIsMade) {
    const Victim victim(Victim::Kind::serving);
    const Pod pod("pod");
    std::set<std::string> made;
    for (const Call& call : {victim.add(pod), victim.check_resident(), victim.status(), victim.gc(),
                             victim.add(pod), victim.del(pod)})
        made.merge(system_calls(victim.host(), call));
    for (const Refusal& refusal : refusals)
        made.erase(refusal.call);
    for (const std::string& name : never_refused)
        made.erase(name);
    EXPECT_EQ(made, std::set<std::string>());
}

TEST(RefusedRequest, OfTheFirstAddLeavesNothingAndTheNextSucceeds) {
    sweep(Victim::Kind::empty, rows_of("ADD"), fail_add, 100);
}

TEST(RefusedRequest, OfAFurtherAddLeavesTheOthersAlone) {
    sweep(Victim::Kind::serving, rows_of("further ADD"), fail_add, 60);
}

TEST(RefusedRequest, ThatStaysRefusedIsPutRightByTheNextCalls) {
    sweep(Victim::Kind::empty, lasting_rows_of("ADD"), fail_add, 20);
    sweep(Victim::Kind::empty, lasting_rows_of("DEL"), fail_del, 10);
}

TEST(RefusedRequest, OfTheLastDelIsDoneByTheNext) {
    sweep(Victim::Kind::empty, rows_of("DEL"), fail_del, 60);
}

TEST(RefusedRequest, OfAnyOtherDelIsDoneByTheNext) {
    sweep(Victim::Kind::serving, rows_of("other DEL"), fail_del, 30);
}

TEST(RefusedRequest, OfGcIsDoneByTheNext) {
    sweep(Victim::Kind::serving, rows_of("GC"), fail_gc, 30);
}

// What these campaigns found, each by itself.

TEST(RefusedRequest, ForTheLinkDoesNotMakeDelTakeItForGone) {
    sweep(Victim::Kind::serving,
          rows_of("DEL, asking", {"socket", "sendmsg", "recvfrom", "openat"}), fail_del, 10);
}

TEST(RefusedRequest, WhoseAnswerIsLostLeavesNoLink) {
    sweep(Victim::Kind::empty, rows_of("ADD, unheard", {"recvfrom"}), fail_add, 10);
}

TEST(RefusedRequest, ToWriteALeaseLeavesNoMesh) {
    sweep(Victim::Kind::empty, rows_of("ADD, not written", {"pwrite64", "write"}), fail_add, 5);
}

TEST(RefusedRequest, ToReadStampOrBootIdLeavesNoForwardingOn) {
    sweep(Victim::Kind::empty, rows_of("DEL, not read", {"read", "openat"}), fail_del, 5);
}

TEST(RefusedRequest, ByASignalIsMadeAgain) {
    sweep(Victim::Kind::serving, rows_of("DEL, interrupted", {"sendmsg", "recvfrom"}, "EINTR"),
          fail_del, 3);
    sweep(Victim::Kind::empty, rows_of("ADD, interrupted", {"sendmsg", "recvfrom"}, "EINTR"),
          fail_add, 3);
}

TEST(RefusedRequest, ForMemoryOrRoomIsNoDamageOfTheLeases) {
    sweep(Victim::Kind::serving, rows_of("further ADD, short", {"mmap", "pwrite64"}), fail_add, 5);
}

TEST(RefusedRequest, OfCheckIsTold) {
    sweep(
        Victim::Kind::serving, rows_of("CHECK"),
        [](const Victim& victim, const Fault& fault, Verdict& verdict) {
            return fail_question(victim, victim.check_resident(), true, fault, verdict);
        },
        30);
}

TEST(RefusedRequest, DoesNotMakeCheckTakeWrongForRight) {
    sweep(
        Victim::Kind::damaged, rows_of("CHECK of damage"),
        [](const Victim& victim, const Fault& fault, Verdict& verdict) {
            return fail_question(victim, victim.check_resident(), false, fault, verdict);
        },
        30);
}

TEST(RefusedRequest, OfStatusIsTold) {
    sweep(
        Victim::Kind::serving, rows_of("STATUS"),
        [](const Victim& victim, const Fault& fault, Verdict& verdict) {
            return fail_question(victim, victim.status(), true, fault, verdict);
        },
        20);
}

TEST(RefusedRequest, DoesNotMakeStatusPromiseAnAddress) {
    sweep(
        Victim::Kind::full, rows_of("STATUS when full"),
        [](const Victim& victim, const Fault& fault, Verdict& verdict) {
            return fail_question(victim, victim.status(), false, fault, verdict);
        },
        20);
}

} // namespace
} // namespace scene
