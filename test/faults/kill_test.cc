#include "test/faults/sweep.h"

#include <filesystem>
#include <fstream>
#include <sys/mount.h>

// A call is killed at the entry of each of its system calls; then the runtime does one of the
// things that runtimes do, or the machine is started anew.

namespace scene {
namespace {

constexpr int already_attached = 105;

enum class Then { del, add, gc, boot };

std::vector<Row> rows_of(const std::string& campaign, const std::set<std::string>& calls) {
    std::vector<Row> rows;
    for (const std::string& call : calls)
        rows.push_back(
            {.campaign = campaign, .fault = {.call = call, .how = "signal=SIGKILL", .number = 1}});
    return rows;
}

/// An ADD of the same container, that finds it half attached: then it says so, and the runtime
/// deletes it first.
void add_again(const Victim& victim, const Pod& pod, Verdict& verdict) {
    Output output = victim.host().call(victim.add(pod));
    if (refusal_of(output).code == already_attached) {
        verdict.require(pod.net.run("ip link show dev eth0").status == 0,
                        "it is not attached: " + output.out);
        victim.require_success(verdict, victim.del(pod), "as the error asks for");
        output = victim.host().call(victim.add(pod));
    }
    victim.require_attached(verdict, pod, output, "as the next");
    victim.require_success(verdict, victim.del(pod), "in the end");
}

/// The same call by a machine that had not yet been started this time.
Call before_the_boot(const Victim& victim, Call call) {
    std::ofstream(victim.host().folder() / "boot_id") << "01234567-89ab-cdef-0123-456789abcdef\n";
    call.prepare = [] {
        checked(
            ::mount("/run/boot_id", "/proc/sys/kernel/random/boot_id", nullptr, MS_BIND, nullptr),
            "mount another boot's ID");
    };
    return call;
}

/// The state directory was on a disk; of the kernel's state and the pods nothing is left. The
/// booted machine has a boot ID of its own, as the struck one has.
void boot(const Victim& victim, const Pod& pod, Verdict& verdict) {
    namespace fs = std::filesystem;
    const Victim booted(Victim::Kind::empty);
    if (fs::exists(victim.host().state_dir()))
        fs::copy(victim.host().state_dir(), booted.host().state_dir());
    const Pod first("first");
    booted.require_attached(verdict, first, booted.host().call(booted.add(first)),
                            "after the boot");
    Call del = booted.del(pod);
    del.netns.reset();
    booted.require_success(verdict, del, "of what was there before the boot");
    booted.require_success(verdict, booted.del(first), "in the end");
    booted.require_untouched(verdict, first, "after the boot");
}

void go_on(Then then, const Victim& victim, const Pod& pod, Verdict& verdict) {
    switch (then) {
    case Then::del:
        victim.require_success(verdict, victim.del(pod), "as the next");
        break;
    case Then::boot:
        boot(victim, pod, verdict);
        victim.require_success(verdict, before_the_boot(victim, victim.del(pod)), "as the next");
        break;
    case Then::add:
        add_again(victim, pod, verdict);
        break;
    case Then::gc:
        victim.require_success(verdict, victim.gc(), "as the next");
        break;
    }
    victim.require_untouched(verdict, pod, "in the end");
}

void kill_add(Victim::Kind kind, Then then, const std::string& campaign) {
    const Victim model(kind);
    const Pod pod("pod");
    sweep(
        kind, rows_of(campaign, system_calls(model.host(), model.add(pod))),
        [then](const Victim& victim, const Fault& fault, Verdict& verdict) {
            const Pod killed("pod");
            Call add = victim.add(killed);
            if (then == Then::boot)
                add = before_the_boot(victim, add);
            const bool hit = strike(victim.host(), add, fault).hit;
            go_on(then, victim, killed, verdict);
            return hit;
        },
        60);
}

void kill_del(Victim::Kind kind, Then then, const std::string& campaign) {
    const Victim model(kind);
    const Pod pod("pod");
    model.host().call(model.add(pod));
    sweep(
        kind, rows_of(campaign, system_calls(model.host(), model.del(pod))),
        [then](const Victim& victim, const Fault& fault, Verdict& verdict) {
            const Pod killed("pod");
            Call add = victim.add(killed);
            Call del = victim.del(killed);
            if (then == Then::boot) {
                add = before_the_boot(victim, add);
                del = before_the_boot(victim, del);
            }
            const Output added = victim.require_success(verdict, add, "before");
            const std::string link = link_of(Json::parse(added.out));
            const bool hit = strike(victim.host(), del, fault).hit;
            if (then != Then::boot) // whose leases are not those of this boot
                victim.require_lease_where_linked(verdict, killed, link, "after the kill");
            go_on(then, victim, killed, verdict);
            return hit;
        },
        30);
}

TEST(KilledAdd, IsPutRightByDel) {
    kill_add(Victim::Kind::empty, Then::del, "killed ADD, then DEL");
}

TEST(KilledAdd, IsPutRightByTheNextAdd) {
    kill_add(Victim::Kind::empty, Then::add, "killed ADD, then ADD");
}

TEST(KilledAdd, IsPutRightByGc) {
    kill_add(Victim::Kind::serving, Then::gc, "killed ADD, then GC");
}

TEST(KilledAdd, IsForgottenByABoot) {
    kill_add(Victim::Kind::empty, Then::boot, "killed ADD, then a boot");
}

TEST(KilledDel, IsForgottenByABoot) {
    kill_del(Victim::Kind::empty, Then::boot, "killed DEL, then a boot");
}

TEST(KilledDel, IsPutRightByDel) {
    kill_del(Victim::Kind::empty, Then::del, "killed DEL, then DEL");
}

TEST(KilledDel, IsPutRightByTheNextAdd) {
    kill_del(Victim::Kind::empty, Then::add, "killed DEL, then ADD");
}

TEST(KilledDel, IsPutRightByGc) {
    kill_del(Victim::Kind::serving, Then::gc, "killed DEL, then GC");
}

} // namespace
} // namespace scene
