#include "ipam/store.h"
#include "test/system/agent.h"

#include <atomic>
#include <csignal>
#include <gmock/gmock.h>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <shared_mutex>
#include <thread>

// Everything at once for a while; then what everybody was told is compared with what there is.

namespace scene {
namespace {

using ::testing::AnyOf;

constexpr std::size_t callers = 32;
constexpr std::size_t pods_each = 2;
constexpr int turns = 40; // of each caller

/// A pod and what its runtime knows of it.
struct Attachment {
    explicit Attachment(std::string id) : pod(std::move(id)) {}

    Pod pod;
    Json result; ///< null: there is none
};

/// The rules were made anew each time that the nodes changed.
Json without_handles(Json state) {
    for (Json& entry : state.at("nftables"))
        for (auto& [kind, object] : entry.items())
            object.erase("handle");
    return state;
}

class Storm : public ::testing::Test {
  protected:
    void SetUp() override {
        for (std::size_t i = 0; i < callers * pods_each; ++i)
            attachments.push_back(std::make_unique<Attachment>("pod" + std::to_string(i)));
        write_nodes_file(nodes_file, cluster.nodes());
        start_agent();
        ASSERT_TRUE(agent->becomes_ready()) << agent->log();
        Json document = Json::parse(agent->config());
        document["cniVersion"] = "1.1.0"; // which has all the verbs
        config = document.dump();
        standing = without_handles(host.net().state());
    }

    void start_agent() {
        agent = std::make_unique<Agent>(
            host, Words{"--nodes-file", nodes_file.string(), "--ip-masq", "true"});
    }

    Output call(const char* verb, const Pod* pod, const Json& more = Json::object()) const {
        Json document = Json::parse(config);
        document.update(more);
        return host.call({.verb = verb,
                          .config = document.dump(),
                          .container = pod ? pod->id : "",
                          .netns = pod ? std::optional(pod->net.path()) : std::nullopt});
    }

    /// What a runtime does with its pods, one thing after the other.
    void make_and_take_away(std::size_t caller) {
        std::mt19937 random(static_cast<unsigned>(caller));
        for (int turn = 0; turn < turns; ++turn) {
            Attachment& chosen = *attachments[caller * pods_each + random() % pods_each];
            const auto no_gc = [&] {
                const std::scoped_lock behind(turnstile);
                return std::shared_lock(gc_alone);
            }();
            switch (random() % 10) {
            case 0: // of a mesh that is being changed it may say so, but must say something
                if (const Output output = call("STATUS", nullptr); output.status != 0) {
                    EXPECT_THAT(refusal_of(output).code, AnyOf(50, 51)) << output.out;
                }
                break;
            case 1: // likewise
                if (chosen.result.is_null())
                    break;
                if (const Output output =
                        call("CHECK", &chosen.pod, {{"prevResult", chosen.result}});
                    output.status != 0) {
                    EXPECT_NE(refusal_of(output).message, "") << output.out << output.err;
                }
                break;
            case 2: // once more than needed
                host.del(chosen.pod, config);
                chosen.result = nullptr;
                break;
            default:
                if (chosen.result.is_null()) {
                    chosen.result = host.add(chosen.pod, config);
                    ++adds;
                } else {
                    host.del(chosen.pod, config);
                    chosen.result = nullptr;
                }
            }
        }
    }

    Json valid_attachments() const {
        Json list = Json::array();
        for (const auto& attachment : attachments)
            if (!attachment->result.is_null())
                list.push_back({{"containerID", attachment->pod.id}, {"ifname", "eth0"}});
        return list;
    }

    /// The runtime lost a few; CNI wants no other call beside a GC.
    void collect_garbage(std::mt19937& random) {
        const std::scoped_lock ahead(turnstile); // of callers yet to come, who would never end
        const std::unique_lock alone(gc_alone);
        for (int lost = 0; lost < 3; ++lost)
            attachments[random() % attachments.size()]->result = nullptr;
        const Output output =
            call("GC", nullptr, {{"cni.dev/valid-attachments", valid_attachments()}});
        EXPECT_EQ(output.status, 0) << output.out;
    }

    /// Nodes come and go, agents end and are killed.
    void trouble(const std::atomic<bool>& over) {
        std::mt19937 random(94);
        while (!over) {
            write_nodes_file(nodes_file, cluster.nodes(static_cast<int>(random() % 4)));
            std::this_thread::sleep_for(std::chrono::milliseconds(random() % 300));
            if (random() % 3 == 0) {
                agent->stop(random() % 2 == 0 ? SIGKILL : SIGTERM);
                start_agent();
            }
            if (random() % 2 == 0)
                collect_garbage(random);
        }
    }

    /// Addresses by the link behind which they are, as the pods were told.
    std::map<std::string, std::string> told() const {
        std::map<std::string, std::string> addresses;
        for (const auto& attachment : attachments)
            if (const Json& result = attachment->result; !result.is_null())
                addresses.emplace(address_of(result), link_of(result));
        return addresses;
    }

    /// The same by the kernel's routes.
    std::map<std::string, std::string> routed() const {
        std::map<std::string, std::string> addresses;
        for (const Json& route : host.net().json("ip -j route show proto 94"))
            if (const std::string link = route.value("dev", ""); link.starts_with("veth"))
                addresses.emplace(route.at("dst"), link);
        return addresses;
    }

    std::set<std::string> links() const {
        std::set<std::string> names;
        for (const Json& link : host.net().json("ip -j link show group 94"))
            if (link.contains("ifname")) // of others nothing is shown
                names.insert(link.at("ifname"));
        return names;
    }

    Cluster cluster{2};
    Host& host = cluster.host(1);
    std::filesystem::path nodes_file = host.folder() / "nodes";
    std::vector<std::unique_ptr<Attachment>> attachments;
    std::unique_ptr<Agent> agent;
    std::string config;
    Json standing; ///< the host's state without pods
    std::mutex turnstile;
    std::shared_mutex gc_alone;
    std::atomic<int> adds = 0;
};

TEST_F(Storm, LeavesExactlyWhatEverybodyWasTold) {
    std::atomic<bool> over = false;
    std::thread troubling([&] { trouble(over); });
    std::vector<std::thread> threads;
    for (std::size_t caller = 0; caller < callers; ++caller)
        threads.emplace_back([&, caller] { make_and_take_away(caller); });
    for (std::thread& thread : threads)
        thread.join();
    over = true;
    troubling.join();
    EXPECT_GE(adds, 450);
    write_nodes_file(nodes_file, cluster.nodes());
    ASSERT_TRUE(agent->becomes_ready()) << agent->log();
    ASSERT_TRUE(comes_true([&] { return agent->metric("ipip_peers_standing") == 1; }))
        << agent->log();

    const auto addresses = told();
    EXPECT_EQ(addresses.size(), valid_attachments().size()) << "an address was given twice";
    EXPECT_EQ(routed(), addresses);
    std::set<std::string> names;
    for (const auto& [address, link] : addresses)
        names.insert(link);
    EXPECT_EQ(links(), names);
    std::map<std::string, std::string> leased;
    for (const ipam::Lease& lease : ipam::Store(host.state_dir()).leases("podnet"))
        leased.emplace(lease.address.to_string(), lease.owner.container);
    std::map<std::string, std::string> holders;
    for (const auto& attachment : attachments)
        if (!attachment->result.is_null())
            holders.emplace(address_of(attachment->result), attachment->pod.id);
    EXPECT_EQ(leased, holders);
    for (const auto& attachment : attachments)
        if (!attachment->result.is_null()) {
            const Output output =
                call("CHECK", &attachment->pod, {{"prevResult", attachment->result}});
            EXPECT_EQ(output.status, 0) << output.out;
        }

    for (const auto& attachment : attachments)
        host.del(attachment->pod, config);
    EXPECT_TRUE(ipam::Store(host.state_dir()).empty("podnet"));
    EXPECT_EQ(without_handles(host.net().state()), standing) << agent->log();
}

} // namespace
} // namespace scene
