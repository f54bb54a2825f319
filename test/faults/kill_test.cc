#include "test/faults/sweep.h"

// A call is killed at the entry of each of its system calls; then the runtime does one of the
// things that runtimes do.

namespace scene {
namespace {

constexpr int already_attached = 105;

enum class Then { del, add, gc };

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

void go_on(Then then, const Victim& victim, const Pod& pod, Verdict& verdict) {
    switch (then) {
    case Then::del:
        victim.require_success(verdict, victim.del(pod), "as the next");
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
            const bool hit = strike(victim.host(), victim.add(killed), fault).hit;
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
            const Output added = victim.require_success(verdict, victim.add(killed), "before");
            const std::string link = Json::parse(added.out).at("interfaces").at(0).at("name");
            const bool hit = strike(victim.host(), victim.del(killed), fault).hit;
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
