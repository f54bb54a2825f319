#include "ipam/store.h"
#include "test/protocol/agent_scene.h"

#include <csignal>
#include <fstream>
#include <thread>

// Leases count by the time since the boot. It is another one in another time namespace, and goes
// back in a machine that goes on from what was saved of it.

namespace scene {
namespace {

constexpr int year = 365 * 24 * 3600; // seconds

/// A program that shows another the boot time of so many seconds later.
Words later(int seconds) {
    return {"unshare", "--time", "--kill-child", "--boottime", std::to_string(seconds)};
}

/// Five addresses: .9 and .11 to .14.
class BootTimeThatGoesBack : public ::testing::Test {
  protected:
    BootTimeThatGoesBack() {
        Json nodes = cluster.nodes();
        nodes[0]["podCIDRs"] = {"10.10.100.8/29"};
        config = Cluster::config(nodes);
    }

    Output call(const char* verb, const Pod& pod, int seconds) const {
        return host.call({.verb = verb,
                          .config = config,
                          .container = pod.id,
                          .netns = pod.net.path(),
                          .wrapper = later(seconds)});
    }
    Json add(const Pod& pod, int seconds) const {
        const Output output = call("ADD", pod, seconds);
        EXPECT_EQ(output.status, 0) << output.out << output.err;
        return output.status == 0 ? Json::parse(output.out) : Json();
    }
    void lose_link(const Json& result) const {
        host.net().ip("link delete " + link_of(result) + "\n");
    }

    Cluster cluster{1};
    Host& host = cluster.host(1);
    std::string config;
    Pod resident{"resident"}; ///< with it the store stays
};

TEST_F(BootTimeThatGoesBack, LetsNoAddressRestLongerThanAMinuteFromThen) {
    const Pod first("first");
    ASSERT_EQ(address_of(add(first, year)), "10.10.100.9");
    ASSERT_EQ(address_of(add(resident, 0)), "10.10.100.11");
    ASSERT_EQ(call("DEL", first, year).status, 0);
    for (const char* address : {"10.10.100.12", "10.10.100.13", "10.10.100.14"}) {
        const Pod other("other");
        EXPECT_EQ(address_of(add(other, 0)), address) << "the first one's rests, or is given again";
        host.del(other, config);
    }
    const Pod last("last");
    EXPECT_EQ(address_of(add(last, 61)), "10.10.100.9");
}

TEST_F(BootTimeThatGoesBack, KeepsNoLeaseOfAPodThatIsGone) {
    std::vector<std::unique_ptr<Pod>> pods;
    std::vector<Json> results;
    for (int i = 0; i < 5; ++i) {
        pods.push_back(std::make_unique<Pod>("pod" + std::to_string(i)));
        results.push_back(add(*pods.back(), year));
    }
    lose_link(results[1]);
    const Pod next("next");
    EXPECT_EQ(refusal_of(call("ADD", next, 0)).code, 101) << "its link may be yet to come";
    EXPECT_EQ(address_of(add(next, 61)), address_of(results[1]));
    for (const std::size_t alive : {0U, 2U, 3U, 4U})
        EXPECT_TRUE(reaches(host.net(), address_of(results[alive]))) << alive;
}

TEST_F(AgentOnOneHost, FreesAddressesTakenBeforeTheBootTimeWentBack) {
    auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    const std::string config = agent->config();
    const Pod pod("pod");
    const Output output = host.call({.verb = "ADD",
                                     .config = config,
                                     .container = pod.id,
                                     .netns = pod.net.path(),
                                     .wrapper = later(year)});
    ASSERT_EQ(output.status, 0) << output.out << output.err;
    const Json result = Json::parse(output.out);
    const double looks = agent->metric("ipip_reconcile_seconds_count").value_or(0);
    host.net().ip("link delete " + link_of(result) +
                  "\nroute delete unreachable 10.10.100.0/24 metric 4096\n"); // has it look
    ASSERT_TRUE(comes_true([&] { return agent->metric("ipip_reconcile_seconds_count") > looks; }));
    EXPECT_EQ(agent->stop(SIGTERM), 0);
    EXPECT_EQ(agent->count("freed "), 0);

    agent = std::make_unique<Agent>(host, Words{"--nodes-file", nodes_file.string()}, later(61));
    EXPECT_TRUE(agent->says("freed " + address_of(result))) << agent->log();
    agent->stop(SIGKILL); // unshare does not pass signals on
}

/// strace(1), which tells in a file what locks a program takes, and stops it behind one of them.
Words strace(const std::string& file, const Words& more = {}) {
    Words words{"strace", "-f", "-qq", "-E", "ASAN_OPTIONS=detect_leaks=0", "-o", file};
    for (const char* word : {"-e", "trace=flock"})
        words.emplace_back(word);
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

/// The number of the call of flock(2) by which an ADD ends the transaction that takes its lease.
int end_of_lease(const std::string& file) {
    std::ifstream lines(file);
    int number = 0;
    int last = -1; // before, the file of the leases is looked for under its lock
    for (std::string line; std::getline(lines, line);)
        if (++number; line.find("LOCK_UN") != line.npos)
            last = number;
    return last;
}

/// The process that strace tells to have stopped.
std::optional<pid_t> stopped_in(const std::string& file) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);)
        if (line.find("stopped by SIGSTOP") != line.npos)
            return std::stoi(line);
    return std::nullopt;
}

bool waits_for_lock(pid_t process) {
    const std::string waiting = "-> FLOCK  ADVISORY  WRITE " + std::to_string(process) + ' ';
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);)
        if (line.find(waiting) != line.npos)
            return true;
    return false;
}

TEST_F(AgentOnOneHost, FreesNoAddressOfAnAddUnderWayWhoseClockIsBehind) {
    const auto agent = start();
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    const auto add = [&, config = agent->config()](const Pod& pod, const Words& wrapper) {
        return host.call({.verb = "ADD",
                          .config = config,
                          .container = pod.id,
                          .netns = pod.net.path(),
                          .wrapper = wrapper});
    };
    const Folder folder;
    const std::string first_trace = folder.path() / "first";
    const Pod first("first");
    ASSERT_EQ(add(first, strace(first_trace)).status, 0);
    const int number = end_of_lease(first_trace);
    ASSERT_GT(number, 0);

    const std::string trace = folder.path() / "slow";
    Words wrapper = later(-120);
    for (const std::string& word :
         strace(trace, {"-e", "inject=flock:signal=SIGSTOP:when=" + std::to_string(number)}))
        wrapper.push_back(word);
    const Pod slow("slow");
    Output output{};
    std::thread adding([&] { output = add(slow, wrapper); });
    EXPECT_TRUE(comes_true([&] { return stopped_in(trace).has_value(); }));
    host.net().ip("address add 192.0.2.1/32 dev lo\n"); // has the agent look
    EXPECT_TRUE(
        comes_true([&] { return agent->count("freed ") > 0 || waits_for_lock(agent->pid()); }));
    if (const auto process = stopped_in(trace))
        ::kill(*process, SIGCONT);
    adding.join();
    ASSERT_EQ(output.status, 0) << output.out << output.err;
    EXPECT_EQ(agent->count("freed "), 0);
    const auto lease = ipam::Store(host.state_dir())
                           .find("podnet", ip::Address::parse(address_of(Json::parse(output.out))));
    ASSERT_TRUE(lease);
    EXPECT_EQ(lease->owner.container, "slow");
}

} // namespace
} // namespace scene
