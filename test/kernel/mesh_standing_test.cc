#include "mesh/standing.h"

#include "mesh/plan.h"
#include "test/kernel/mesh_scene.h"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

namespace mesh {
namespace {

namespace fs = std::filesystem;

using scene::Json;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class StandingTest : public MeshTest {
  protected:
    StandingTest() {
        std::string name = (fs::temp_directory_path() / "standing_test.XXXXXX").string();
        folder_ = mkdtemp(name.data());
    }
    ~StandingTest() override { fs::remove_all(folder_); }

    Request request(std::vector<Node> nodes) const {
        return {.cluster = Cluster({.nodes = std::move(nodes), .self = {}}),
                .settings = {"podnet"},
                .state_dir = folder_ / "state"};
    }
    /// What had to be changed.
    std::vector<std::string> stand(const Request& request) {
        return mesh::stand(route_, request).changes();
    }
    std::vector<std::string> retire(bool unused, const std::string& network = "podnet") {
        return mesh::retire(route_, network, folder_ / "state", [&] { return unused; });
    }
    std::string conflict(const Request& request) {
        try {
            stand(request);
        } catch (const Conflict& conflict) {
            return conflict.what();
        }
        return {};
    }

    fs::path folder_;
};

TEST_F(StandingTest, MakesTheMeshAndSaysWhoThisNodeIs) {
    const Standing standing = mesh::stand(route_, request(nodes(3)));
    EXPECT_THAT(standing.changes(), Not(IsEmpty()));
    EXPECT_EQ(standing.self(), node(1));
    EXPECT_EQ(standing.pod_mtu(), 1480U);
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
}

TEST_F(StandingTest, ChangesNothingInTheSteadyState) {
    Request wanted = request(nodes(20));
    wanted.settings.masquerade = true;
    stand(wanted);
    const Json before = host_.state();
    for (wanted.seed = 0; wanted.seed < 25; ++wanted.seed) {
        const Standing standing = mesh::stand(route_, wanted);
        EXPECT_THAT(standing.changes(), IsEmpty());
        EXPECT_EQ(standing.self(), node(1));
        EXPECT_EQ(standing.pod_mtu(), 1480U);
    }
    EXPECT_EQ(host_.state(), before);
}

TEST_F(StandingTest, ANodeAloneStandsToo) {
    EXPECT_THAT(stand(request(nodes(1))), Not(IsEmpty()));
    EXPECT_THAT(stand(request(nodes(1))), IsEmpty());
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(1)));
}

TEST_F(StandingTest, ReadsNoNodesOfAVersionThatItHasMet) {
    int reads = 0;
    const auto versioned = [&](const std::string& version, int count) {
        Request wanted = request({});
        wanted.cluster = Cluster(version, [&reads, count] {
            ++reads;
            return Cluster::Listing{.nodes = nodes(count), .self = {}};
        });
        return wanted;
    };
    stand(versioned("first", 20));
    EXPECT_EQ(reads, 1);
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Request wanted = versioned("first", 20);
        wanted.seed = seed;
        const Standing standing = mesh::stand(route_, wanted);
        EXPECT_EQ(standing.self(), node(1));
        EXPECT_TRUE(look(route_, wanted).stands);
    }
    EXPECT_EQ(reads, 1);
    host_.ip("link delete " + device_name(node(2).addresses.front()) + '\n');
    EXPECT_THAT(look(route_, versioned("first", 20)).broken.value_or(""),
                HasSubstr("the tunnel to " + node(2).name));
    EXPECT_EQ(reads, 2) << "to name it";
    EXPECT_THAT(stand(versioned("first", 20)), Not(IsEmpty()));
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(20)));
    EXPECT_THAT(stand(versioned("second", 19)), Not(IsEmpty()));
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(19)));

    enforce(route_, request(nodes(5)), [] { return "third"; });
    reads = 0;
    EXPECT_THAT(stand(versioned("third", 5)), IsEmpty());
    EXPECT_EQ(reads, 0) << "who published it knew its version";
}

TEST_F(StandingTest, LooksAtEveryPeerSoonerOrLater) {
    stand(request(nodes(30)));
    host_.ip("link delete " + device_name(node(30).addresses.front()) + '\n');
    Request wanted = request(nodes(30));
    bool found = false;
    for (wanted.seed = 0; wanted.seed < 30 && !found; ++wanted.seed)
        found = !stand(wanted).empty();
    EXPECT_TRUE(found);
}

TEST_F(StandingTest, OneOfManyParallelCallersMakesItAndAllSucceed) {
    constexpr int callers = 20;
    const auto results = scene::in_processes(callers, [&](int) {
        netlink::Socket own;
        return mesh::stand(own, request(nodes(5))).changes().empty() ? 0 : 1;
    });
    EXPECT_EQ(std::ranges::count(results, 0), callers - 1);
    EXPECT_EQ(std::ranges::count(results, 1), 1);
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(5)));
}

TEST_F(StandingTest, OneOfManyParallelCallersCarriesOutAChange) {
    stand(request(nodes(5)));
    constexpr int callers = 20;
    const auto results = scene::in_processes(callers, [&](int) {
        netlink::Socket own;
        return mesh::stand(own, request(nodes(4))).changes().empty() ? 0 : 1;
    });
    EXPECT_EQ(std::ranges::count(results, 0), callers - 1);
    EXPECT_EQ(std::ranges::count(results, 1), 1);
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(4)));
}

TEST_F(StandingTest, LeavesAMeshAloneThatAnotherMadeMeanwhile) {
    stand(request(nodes(3)));
    Request stale = request(nodes(2));
    stale.is_current = [] { return false; };
    EXPECT_THROW(stand(stale), Outdated);
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
    stale.cluster = request(nodes(3)).cluster;
    EXPECT_THAT(stand(stale), IsEmpty()) << "what is asked for stands";
}

TEST_F(StandingTest, PublishesWhatItMadeBeforeAnotherComesIn) {
    const auto is_locked = [&] {
        const netlink::Fd file(::open((folder_ / "state/mesh.lock").c_str(), O_RDWR | O_CLOEXEC));
        return ::flock(file.get(), LOCK_SH | LOCK_NB) != 0;
    };
    bool was_locked = false;
    enforce(route_, request(nodes(3)), [&] {
        was_locked = is_locked();
        return "";
    });
    EXPECT_TRUE(was_locked);
    EXPECT_FALSE(is_locked());
    EXPECT_THAT(stand(request(nodes(3))), IsEmpty());
}

TEST_F(StandingTest, CarriesOutAChangedList) {
    stand(request(nodes(3)));
    auto list = nodes(4);
    list.erase(list.begin() + 1);
    EXPECT_THAT(stand(request(list)), Not(IsEmpty()));
    EXPECT_EQ(shown_mesh(host_), expected_mesh(list));
    EXPECT_THAT(stand(request(list)), IsEmpty());
}

TEST_F(StandingTest, CarriesOutChangedSettings) {
    stand(request(nodes(2)));
    Request wanted = request(nodes(2));
    wanted.settings.ttl = 7;
    EXPECT_THAT(stand(wanted), Not(IsEmpty()));
    wanted.settings.mtu = 1300;
    EXPECT_THAT(stand(wanted), Not(IsEmpty()));
    wanted.settings.check_source = false;
    EXPECT_THAT(stand(wanted), Not(IsEmpty()));
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(2), wanted.settings));
    wanted.settings.masquerade = true;
    EXPECT_THAT(stand(wanted), Not(IsEmpty()));
    EXPECT_EQ(host_.run("nft list table inet ipip-cni").status, 0);
    EXPECT_THAT(stand(wanted), IsEmpty());
}

TEST_F(StandingTest, NoticesWhatIsNoLongerAsItWasLeft) {
    stand(request(nodes(3)));
    for (const char* damage :
         {"link delete ipip-ac10057f\n", "link set ipip-ac100580 down\n",
          "route delete 10.10.2.0/24\n", "route replace 10.10.2.0/24 dev ipip-ac10057f proto 94\n",
          "address delete 10.10.1.10/32 dev lo\n"
          "address flush dev ipip-ac10057f\n"
          "address flush dev ipip-ac100580\n"}) {
        host_.ip(damage);
        EXPECT_THAT(stand(request(nodes(3))), Not(IsEmpty())) << damage;
        EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3))) << damage;
    }
}

TEST_F(StandingTest, NoticesThatTheStampIsFromAnotherLife) {
    stand(request(nodes(3)));
    const scene::Namespace reborn; // as after a boot with a state directory that survived it
    reborn.ip("link add u0 type veth peer name far0\n"
              "link set u0 addrgenmode none\n"
              "link set u0 up\n"
              "address add 172.16.5.126/24 dev u0\n");
    reborn.in([&] {
        netlink::Socket route;
        EXPECT_THAT(mesh::stand(route, request(nodes(3))).changes(), Not(IsEmpty()));
    });
    EXPECT_EQ(shown_mesh(reborn), expected_mesh(nodes(3)));
}

TEST_F(StandingTest, ABrokenStampIsNoStamp) {
    stand(request(nodes(2)));
    for (const char* text : {"", "{", "end\n", "network 7\n", "\x01\x02"}) {
        std::FILE* file = std::fopen((folder_ / "state" / "mesh.stamp").c_str(), "w");
        ASSERT_NE(file, nullptr);
        std::fputs(text, file);
        std::fclose(file);
        EXPECT_THAT(stand(request(nodes(2))), IsEmpty()) << "the kernel has all of it";
        EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(2)));
    }
}

TEST_F(StandingTest, AFailureIsNotTakenForAStandingMesh) {
    stand(request(nodes(2)));
    host_.ip("route add 10.10.3.0/24 dev u0\n");
    EXPECT_THAT(conflict(request(nodes(3))), testing::HasSubstr("10.10.3.0/24"));
    EXPECT_THAT(conflict(request(nodes(3))), testing::HasSubstr("10.10.3.0/24"));
    EXPECT_THAT(stand(request(nodes(2))), Not(IsEmpty())) << "the old list is no longer in force";
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(2)));
    host_.ip("route delete 10.10.3.0/24\n");
    EXPECT_EQ(conflict(request(nodes(3))), "");
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(3)));
}

TEST_F(StandingTest, AnotherNetworkIsRefusedAndTheFirstUnharmed) {
    stand(request(nodes(3)));
    const Json before = host_.state();
    Request other = request(nodes(2));
    other.settings.network = "othernet";
    EXPECT_THAT(conflict(other), testing::HasSubstr("\"podnet\""));
    EXPECT_THAT(conflict(other), testing::HasSubstr("\"podnet\""));
    EXPECT_EQ(host_.state(), before);
    EXPECT_THAT(stand(request(nodes(3))), IsEmpty());
}

TEST_F(StandingTest, AnotherNetworkClaimsNothingWhereTheStampIsLost) {
    stand(request(nodes(3)));
    const Json before = host_.state();
    std::filesystem::remove(folder_ / "state" / "mesh.stamp");
    Request other = request(nodes(2));
    other.settings.network = "othernet";
    EXPECT_THAT(conflict(other), testing::HasSubstr("\"podnet\""));
    EXPECT_THAT(retire(true, "othernet"), IsEmpty());
    EXPECT_EQ(host_.state(), before);
    EXPECT_THAT(stand(request(nodes(3))), IsEmpty());
    std::filesystem::remove_all(folder_ / "state");
    EXPECT_THAT(retire(true, "othernet"), IsEmpty());
    EXPECT_EQ(host_.state(), before);
    EXPECT_THAT(retire(true), Not(IsEmpty()));
}

TEST_F(StandingTest, AnotherNetworkStandsOnceTheFirstHasRetired) {
    stand(request(nodes(3)));
    EXPECT_THAT(retire(true), Not(IsEmpty()));
    Request other = request(nodes(2));
    other.settings.network = "othernet";
    EXPECT_EQ(conflict(other), "");
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(2), {"othernet"}));
    EXPECT_THAT(retire(true), IsEmpty()) << "it is not the retired network's any more";
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(2), {"othernet"}));
}

TEST_F(StandingTest, RetiresOnlyWhenUnused) {
    reconcile(nodes(1)); // so that the module has made tunl0, if it does
    dismantle(route_, "podnet", {"u0"});
    const Json before = host_.state();
    stand(request(nodes(3)));
    const Json standing = host_.state();
    EXPECT_THAT(retire(false), IsEmpty());
    EXPECT_EQ(host_.state(), standing);
    EXPECT_THAT(retire(true), Not(IsEmpty()));
    EXPECT_EQ(host_.state(), before);
    EXPECT_THAT(retire(true), IsEmpty());
}

TEST_F(StandingTest, RetiringTurnsOffOnlyWhatWasTurnedOn) {
    host_.set_sysctl("net/ipv4/conf/u0/forwarding", "1");
    stand(request(nodes(2)));
    retire(true);
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/u0/forwarding"), "1");

    host_.set_sysctl("net/ipv4/conf/u0/forwarding", "0");
    stand(request(nodes(2)));
    stand(request(nodes(3))); // finds it on, by itself
    retire(true);
    EXPECT_EQ(host_.sysctl("net/ipv4/conf/u0/forwarding"), "0");
}

TEST_F(StandingTest, ARouteThatCoversPodsOfAPeerIsNamed) {
    host_.ip("route add 10.10.2.0/25 dev u0\n");
    EXPECT_THAT(conflict(request(nodes(2))), testing::HasSubstr("ip route get"));
    host_.ip("route delete 10.10.2.0/25\n");
    EXPECT_EQ(conflict(request(nodes(2))), "");
    EXPECT_EQ(shown_mesh(host_), expected_mesh(nodes(2)));
}

TEST_F(StandingTest, ALostStateDirectoryIsNoLostMesh) {
    stand(request(nodes(3)));
    fs::remove_all(folder_ / "state");
    EXPECT_THAT(stand(request(nodes(3))), IsEmpty());
    fs::remove_all(folder_ / "state");
    EXPECT_THAT(retire(true), Not(IsEmpty()));
    EXPECT_THAT(tunnel_indices(host_), Not(testing::Contains(testing::Key(tunnel_to(2)))));
}

TEST_F(StandingTest, AStateDirectoryThatCannotBeIsNamed) {
    Request wanted = request(nodes(2));
    wanted.state_dir = "/proc/nowhere/ipip";
    try {
        stand(wanted);
        ADD_FAILURE() << "no error";
    } catch (const std::system_error& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr("/proc/nowhere/ipip"));
    }
}

} // namespace
} // namespace mesh
