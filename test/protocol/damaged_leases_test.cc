#include "test/protocol/agent_scene.h"

#include <fstream>
#include <gmock/gmock.h>
#include <iterator>
#include <random>
#include <set>
#include <thread>

// The lease file holds something else than leases; the pods run on.

namespace scene {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Damage {
    const char* name;
    std::function<std::string(std::string)> done; ///< what becomes of the file's content
};

const Damage anything{"Anything", [](const std::string&) { return "something else\n"; }};

class DamagedLeases : public AgentOnOneHost {
  protected:
    void SetUp() override {
        for (const std::size_t i : {0U, 1U})
            results.push_back(host.add(pods[i], config));
    }

    fs::path file() const {
        for (const auto& entry : fs::directory_iterator(host.state_dir()))
            if (entry.path().extension() == ".mdb")
                return entry.path();
        throw std::logic_error("there is no lease file");
    }

    static std::string content(const fs::path& file) {
        std::ifstream stream(file, std::ios::binary);
        return {std::istreambuf_iterator<char>(stream), {}};
    }

    /// Returns what the file holds then.
    std::string damage(const Damage& how) const {
        const std::string damaged = how.done(content(file()));
        std::ofstream(file(), std::ios::binary | std::ios::trunc) << damaged;
        return damaged;
    }

    Call call(const char* verb, const Pod& pod, const Json& more = Json::object()) const {
        return {.verb = verb,
                .config = Cluster::config(cluster.nodes(), more),
                .container = pod.id,
                .netns = pod.net.path()};
    }

    /// Whether the pod's wiring and lease are what its ADD made them.
    ::testing::AssertionResult is_whole(std::size_t pod) const {
        const Output output = host.call(call("CHECK", pods[pod], {{"prevResult", results[pod]}}));
        return output.status == 0 ? ::testing::AssertionSuccess()
                                  : ::testing::AssertionFailure() << output.out << output.err;
    }

    std::string config = cluster.config();
    Pod pods[3] = {Pod("first"), Pod("second"), Pod("third")};
    std::vector<Json> results;
};

class LeasesDamagedBy : public DamagedLeases, public ::testing::WithParamInterface<Damage> {};

TEST_P(LeasesDamagedBy, AreMadeAnewByAnAdd) {
    const std::string damaged = damage(GetParam());
    const Output output = host.call(call("ADD", pods[2]));
    ASSERT_EQ(output.status, 0) << output.out;
    EXPECT_THAT(output.err, AllOf(HasSubstr("Made 2 leases anew from the pods' links"),
                                  HasSubstr(file().native().substr(file().native().rfind('/')))));
    results.push_back(Json::parse(output.out));
    for (const std::size_t i : {0U, 1U})
        EXPECT_NE(address_of(results[2]), address_of(results[i]));
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_TRUE(is_whole(i));
    // Of nothing, who looks in makes two headers.
    EXPECT_TRUE(content(file().native() + ".broken").starts_with(damaged));
}

TEST_P(LeasesDamagedBy, AreMadeAnewByADel) {
    damage(GetParam());
    host.del(pods[0], config);
    EXPECT_TRUE(is_whole(1));
    host.del(pods[1], config);
    host.add(pods[2], config);
    host.del(pods[2], config);
}

TEST_P(LeasesDamagedBy, AreMadeAnewByACheck) {
    damage(GetParam());
    EXPECT_TRUE(is_whole(0));
    EXPECT_TRUE(is_whole(1));
}

TEST_P(LeasesDamagedBy, AreMadeAnewByAStatus) {
    damage(GetParam());
    const Output output = host.call(call("STATUS", pods[0]));
    EXPECT_EQ(output.status, 0) << output.out;
}

TEST_P(LeasesDamagedBy, AreMadeAnewByAGc) {
    damage(GetParam());
    const Json valid{{{"containerID", pods[1].id}, {"ifname", "eth0"}}};
    const Output output = host.call(call("GC", pods[0], {{"cni.dev/valid-attachments", valid}}));
    EXPECT_EQ(output.status, 0) << output.out;
    EXPECT_THAT(output.err, HasSubstr("freed " + address_of(results[0])));
    EXPECT_TRUE(is_whole(1));
}

TEST_P(LeasesDamagedBy, AreMadeAnewByTheAgent) {
    damage(GetParam());
    const auto agent = start();
    EXPECT_TRUE(agent->says("Made 2 leases anew from the pods' links")) << agent->log();
    EXPECT_TRUE(agent->becomes_ready()) << agent->log();
    EXPECT_TRUE(fs::exists(file().native() + ".broken"));
    EXPECT_EQ(agent->metric("ipip_addresses_used"), 2);
}

std::string beyond(std::size_t size, std::string content, char filler) {
    std::fill(content.begin() + static_cast<std::ptrdiff_t>(std::min(size, content.size())),
              content.end(), filler);
    return content;
}

INSTANTIATE_TEST_SUITE_P(
    Each, LeasesDamagedBy,
    ::testing::Values(
        anything, Damage{"Nothing", [](const std::string&) { return std::string(); }},
        Damage{"AnEnd", [](const std::string& whole) { return whole.substr(0, 8192); }},
        Damage{"Zeros", [](std::string whole) { return beyond(0, std::move(whole), '\0'); }},
        Damage{"ZerosBehindTheHeaders",
               [](std::string whole) { return beyond(8192, std::move(whole), '\0'); }},
        Damage{"OnesBehindTheHeaders",
               [](std::string whole) { return beyond(8192, std::move(whole), '\xff'); }}),
    [](const auto& tested) { return tested.param.name; });

/// Some of the pages, overwritten with anything.
Damage random_bytes(unsigned seed) {
    return {"RandomBytes", [seed](std::string content) {
                std::mt19937 random(seed);
                constexpr std::size_t page = 4096;
                for (std::size_t at = random() % 4 * page; at < content.size();
                     at += (1 + random() % 3) * page)
                    for (std::size_t i = at + random() % page; i < at + page; ++i)
                        content.at(i) = static_cast<char>(random());
                return content;
            }};
}

TEST_F(DamagedLeases, GiveAwayNobodysAddressWhateverBytesTheFileHolds) {
    for (unsigned seed = 0; seed < 20; ++seed) {
        SCOPED_TRACE(seed);
        damage(random_bytes(seed));
        const Output output = host.call(call("ADD", pods[2]));
        ASSERT_EQ(output.status, 0) << output.out;
        for (const Json& result : results)
            EXPECT_NE(address_of(Json::parse(output.out)), address_of(result));
        EXPECT_TRUE(is_whole(0));
        EXPECT_TRUE(is_whole(1));
        host.del(pods[2], config);
    }
}

TEST_F(DamagedLeases, AreMadeAnewOnceByManyAdds) {
    damage(anything);
    std::vector<std::unique_ptr<Pod>> further;
    std::vector<Output> outputs(8);
    std::vector<std::thread> calls;
    for (int i = 0; i < 8; ++i)
        further.push_back(std::make_unique<Pod>("further" + std::to_string(i)));
    for (std::size_t i = 0; i < outputs.size(); ++i)
        calls.emplace_back([&, i] { outputs[i] = host.call(call("ADD", *further[i])); });
    for (std::thread& each : calls)
        each.join();
    std::set<std::string> addresses{address_of(results[0]), address_of(results[1])};
    int makers = 0;
    for (const Output& output : outputs) {
        ASSERT_EQ(output.status, 0) << output.out;
        addresses.insert(address_of(Json::parse(output.out)));
        makers += output.err.find("leases anew from") != std::string::npos ? 1 : 0;
    }
    EXPECT_EQ(addresses.size(), 10U);
    EXPECT_EQ(makers, 1);
    EXPECT_TRUE(is_whole(0));
}

TEST_F(DamagedLeases, AreLeftAloneWhereAPodsRouteIsMissing) {
    host.net().ip("route delete " + address_of(results[0]) + "\n");
    const std::string damaged = damage(anything);
    const Output output = host.call(call("ADD", pods[2]));
    EXPECT_NE(output.status, 0);
    EXPECT_THAT(refusal_of(output).message,
                AllOf(HasSubstr("no route to interface eth0 of container first"),
                      HasSubstr("stop the containers of this host")));
    EXPECT_TRUE(content(file()) == damaged);
    const std::string link = link_of(results[0]);
    host.net().ip("route add " + address_of(results[0]) + " dev " + link +
                  " src 10.10.100.10 protocol 94\n");
    EXPECT_EQ(host.call(call("ADD", pods[2])).status, 0);
    EXPECT_TRUE(is_whole(0));
}

TEST_F(DamagedLeases, AreMadeAnewOfALinkThatSomebodyRenamed) {
    const std::string link = link_of(results[0]);
    const std::string path =
        "route add " + address_of(results[0]) + " dev " + link + " src 10.10.100.10 protocol 94\n";
    host.net().ip("link set " + link +
                  " down\n"
                  "link set " +
                  link +
                  " name other0\n"
                  "link set other0 up\n"
                  "route add " +
                  address_of(results[0]) + " dev other0 protocol 94\n");
    damage(anything);
    EXPECT_EQ(host.call(call("ADD", pods[2])).status, 0);
    host.net().ip("link set other0 down\n"
                  "link set other0 name " +
                  link +
                  "\n"
                  "link set " +
                  link + " up\n" + path);
    EXPECT_TRUE(is_whole(0));
}

// As versions before this one made it: it names the pod and not the container.
TEST_F(DamagedLeases, AreLeftAloneWhereALinkDoesNotTellWhoseItIs) {
    const std::string link = link_of(results[0]);
    host.net().ip("link set " + link + " alias \"" + "podnet: default/web-0 eth0\"\n");
    const std::string damaged = damage(anything);
    const Json before = host.net().state();
    const Output output = host.call(call("ADD", pods[2]));
    EXPECT_NE(output.status, 0);
    EXPECT_THAT(refusal_of(output).message,
                AllOf(HasSubstr(link), HasSubstr("does not name its container"),
                      HasSubstr("stop the containers of this host")));
    EXPECT_TRUE(content(file()) == damaged);
    EXPECT_TRUE(is_unchanged(host.net(), before));
}

} // namespace
} // namespace scene
