#include "test/churn/day.h"

#include "test/faults/victim.h"

#include <gmock/gmock.h>
#include <thread>

namespace scene {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t callers = 4;
constexpr std::size_t slots_each = 16;
constexpr std::size_t adds_each = 10; // of a caller, before it stops for a while

constexpr const char* second_address = "172.16.5.200"; // of the host

} // namespace

Day::Day(int peers) : cluster_(1 + peers), nodes_file_(host().folder() / "nodes") {
    host().net().ip("address add " + std::string(second_address) + "/24 dev eth0\n");
    restore_nodes();
    agent_ = std::make_unique<Agent>(
        host(), Words{"--nodes-file", nodes_file_.string(), "--ip-masq", "true"});
    if (!agent_->becomes_ready())
        throw std::runtime_error("the agent does not become ready: " + agent_->log());
    config_ = Json::parse(agent_->config());
    config_["cniVersion"] = "1.1.0"; // which has all the verbs
    for (std::size_t i = 0; i < callers; ++i) {
        workers_.push_back(
            {.slots = {}, .random = std::mt19937(static_cast<unsigned>(i)), .took = {}});
        for (std::size_t slot = 0; slot < slots_each; ++slot)
            workers_.back().slots.push_back(std::make_unique<Slot>());
    }
}

Call Day::call(const char* verb, const Pod* pod, const Json& more) const {
    Json document = config_;
    document.update(more);
    return {.verb = verb,
            .config = document.dump(),
            .container = pod ? pod->id : "",
            .netns = pod ? std::optional(pod->net.path()) : std::nullopt};
}

void Day::add_pods() {
    std::vector<std::thread> threads;
    for (Worker& worker : workers_)
        threads.emplace_back(
            [&] { Caller::on(host(), [&](Caller& caller) { work(worker, caller); }); });
    for (std::thread& thread : threads)
        thread.join();
    for (Worker& worker : workers_) {
        took_.insert(took_.end(), worker.took.begin(), worker.took.end());
        worker.took.clear();
    }
}

void Day::work(Worker& worker, Caller& caller) {
    while (worker.took.size() < adds_each) {
        Slot& slot = *worker.slots[worker.random() % worker.slots.size()];
        if (slot.result.is_null())
            add(worker, slot, caller);
        else
            take_away(worker, slot, caller);
    }
}

void Day::add(Worker& worker, Slot& slot, Caller& caller) {
    slot.pod->id = "pod" + std::to_string(++last_id_);
    const Call wanted = call("ADD", slot.pod.get());
    const auto start = Clock::now();
    const Output output = caller.call(wanted);
    worker.took.push_back(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start));
    EXPECT_EQ(output.status, 0) << slot.pod->id << ": " << output.out << output.err;
    if (output.status == 0)
        slot.result = Json::parse(output.out);
}

void Day::take_away(Worker& worker, Slot& slot, Caller& caller) const {
    const auto succeed = [&](const Call& wanted) {
        const Output output = caller.call(wanted);
        EXPECT_EQ(output.status, 0)
            << wanted.verb << ' ' << wanted.container << ": " << output.out << output.err;
    };
    const auto chance = worker.random() % 16;
    if (chance < 2)
        succeed(call("CHECK", slot.pod.get(), {{"prevResult", slot.result}}));
    Call del = call("DEL", slot.pod.get());
    if (chance < 5) { // its namespace ends first, and the kernel takes the link away meanwhile
        slot.pod = std::make_unique<Pod>("none");
        del.netns.reset(); // the path leads to another by now
    }
    succeed(del);
    if (chance == 5) // once more than needed
        succeed(del);
    slot.result = nullptr;
}

void Day::collect_garbage() {
    std::vector<Slot*> attached;
    for (const Worker& worker : workers_)
        for (const auto& slot : worker.slots)
            if (!slot->result.is_null())
                attached.push_back(slot.get());
    for (int lost = 0; lost < 2 && !attached.empty(); ++lost)
        attached[random_() % attached.size()]->result = nullptr;
    for (const Call& wanted :
         {call("GC", nullptr, {{"cni.dev/valid-attachments", valid_attachments()}}),
          call("STATUS", nullptr)}) {
        const Output output = host().call(wanted);
        EXPECT_EQ(output.status, 0) << wanted.verb << ": " << output.out << output.err;
    }
}

void Day::change_nodes() {
    Json nodes = cluster_.nodes(cluster_.size() > 1 ? 1 + static_cast<int>(random_() % 3) : 0);
    // On a host without peers, its own entry is all that can be another.
    nodes[0]["addresses"] = {second_address};
    write_nodes_file(nodes_file_, nodes);
}

void Day::damage() const {
    host().net().ip("route delete unreachable 10.10.100.0/24 metric 4096\n");
}

void Day::restore_nodes() {
    write_nodes_file(nodes_file_, cluster_.nodes());
}

void Day::end_pods() {
    for (const Worker& worker : workers_)
        for (const auto& slot : worker.slots)
            if (!slot->result.is_null()) {
                host().del(*slot->pod, config_.dump());
                slot->result = nullptr;
            }
}

std::size_t Day::standing() const {
    return valid_attachments().size();
}

Json Day::valid_attachments() const {
    Json list = Json::array();
    for (const Worker& worker : workers_)
        for (const auto& slot : worker.slots)
            if (!slot->result.is_null())
                list.push_back({{"containerID", slot->pod->id}, {"ifname", "eth0"}});
    return list;
}

void Day::compare() const {
    Leases told;
    std::map<std::string, std::string> links;
    for (const Worker& worker : workers_)
        for (const auto& slot : worker.slots)
            if (!slot->result.is_null()) {
                const std::string address = address_of(slot->result);
                EXPECT_TRUE(told.emplace(address, slot->pod->id).second)
                    << address << " is given twice";
                links.emplace(address, link_of(slot->result));
            }
    EXPECT_EQ(leases_in(host().state_dir()), told);
    EXPECT_EQ(pod_routes(host().net()), links);
}

} // namespace scene
