#include "test/agent/scripted_server.h"
#include "test/kubernetes/node_object.h"
#include "test/system/agent.h"

#include <fstream>
#include <gtest/gtest.h>

// What the agent costs in a cluster of thousands. Its server is ours, as a real one with that many
// Nodes takes an emulated machine a quarter of an hour.

namespace scene {
namespace {

constexpr int nodes = 5000; // and this one
constexpr int nodes_of_a_page = 250;
constexpr int heartbeats = 500;

std::string replaced(std::string text, const std::string& word, const std::string& by) {
    for (std::size_t at = 0; (at = text.find(word, at)) != text.npos; at += by.size())
        text.replace(at, word.size(), by);
    return text;
}

/// Nodes as a cluster has them, of 15 KiB each. The first is this host.
std::string node(int number, int heartbeat = 0) {
    static const std::string pattern = [] {
        Json node =
            node_object({.name = "NAME", .addresses = {"ADDRESS"}, .pod_cidrs = {"NETWORK/24"}});
        node["metadata"]["resourceVersion"] = "8";
        return node.dump();
    }();
    const std::string place = std::to_string(number / 250) + '.' + std::to_string(number % 250);
    std::string text = replaced(pattern, "NAME", "host" + std::to_string(number));
    text = replaced(text, "ADDRESS", number == 1 ? "172.16.5.126" : "172.18." + place);
    text = replaced(text, "NETWORK",
                    "10." + std::to_string(20 + number / 250) + '.' + std::to_string(number % 250) +
                        ".0");
    return replaced(text, "2024-02-29T12:00:00Z",
                    "2024-02-29T12:00:" + std::to_string(10 + heartbeat % 50) + 'Z');
}

std::string page(int number) {
    std::string items;
    const int last = std::min((number + 1) * nodes_of_a_page, nodes + 1);
    for (int i = number * nodes_of_a_page + 1; i <= last; ++i)
        items += (items.empty() ? "" : ",") + node(i);
    return R"({"kind": "NodeList", "metadata": {"resourceVersion": "7", "continue": ")" +
           (last > nodes ? "" : std::to_string(number + 1)) + R"("}, "items": [)" + items + "]}";
}

/// The most memory that the process ever had, KiB; proc(5).
long peak_memory(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string word; file >> word;)
        if (word == "VmHWM:") {
            long size = 0;
            file >> size;
            return size;
        }
    return 0;
}

TEST(AgentAtScale, KnowsFiveThousandNodesInThirtyTwoMebibytesAndSleepsThroughHeartbeats) {
    Cluster cluster{1};
    const Host& host = cluster.host(1);
    std::atomic<bool> beat = false;
    const auto answer = [&](const std::string& request, const agent::ScriptedServer::Write& write) {
        if (request.find("watch=1") != request.npos) {
            write(agent::ScriptedServer::stream());
            comes_true([&] { return beat.load(); });
            for (int i = 0; i < heartbeats; ++i)
                write(R"({"type": "MODIFIED", "object": )" + node(i + 2, i) + "}\n");
            while (write("\n"))
                std::this_thread::sleep_for(std::chrono::milliseconds(50));
        } else if (request.starts_with("GET")) {
            const auto next = request.find("continue=");
            write(agent::ScriptedServer::response(
                200, page(next == request.npos ? 0 : std::stoi(request.substr(next + 9)))));
        } else {
            write(agent::ScriptedServer::response(200, "{}"));
        }
    };
    const auto server =
        host.net().in([&] { return std::make_unique<agent::ScriptedServer>(answer); });
    const auto kubeconfig = host.folder() / "kubeconfig";
    std::ofstream(kubeconfig) << Json{
        {"current-context", "test"},
        {"contexts", {{{"name", "test"}, {"context", {{"cluster", "test"}, {"user", "test"}}}}}},
        {"clusters",
         {{{"name", "test"},
           {"cluster",
            {{"server", server->config().server},
             {"certificate-authority", server->config().http.ca_file}}}}}},
        {"users", {{{"name", "test"}, {"user", {{"token", "test"}}}}}}};

    Agent agent(host, {"--kubeconfig", kubeconfig, "--node-name", "host1"});
    bool ready = agent.becomes_ready();
    for (int i = 0; !ready && i < 9; ++i) // an emulated machine needs minutes
        ready = agent.becomes_ready();
    ASSERT_TRUE(ready) << agent.log().substr(0, 4000);
    EXPECT_EQ(agent.metric("ipip_peers_standing"), nodes);

    std::printf("its peak memory with the mesh made: %ld KiB\n", peak_memory(agent.pid()));
    const auto events = agent.metric("ipip_kube_events_total");
    const auto looks = agent.metric("ipip_reconcile_seconds_count");
    const auto begin = std::chrono::steady_clock::now();
    beat = true;
    EXPECT_TRUE(comes_true([&] {
        return agent.metric("ipip_kube_events_total") >= *events + heartbeats;
    })) << agent.log();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    EXPECT_LE(agent.metric("ipip_reconcile_seconds_count"), *looks + 1 + took.count() / 30)
        << "it looks by itself every half minute";
    EXPECT_LE(peak_memory(agent.pid()), 32 * 1024);
    std::printf("peak memory of the agent: %ld KiB\n", peak_memory(agent.pid()));
}

} // namespace
} // namespace scene
