#include "test/protocol/scripted_plugin.h"
#include "test/system/trace.h"

#include <filesystem>
#include <gmock/gmock.h>

namespace scene {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

bool has_link(const Namespace& space, const std::string& name) {
    return space.run("ip link show dev " + name).status == 0;
}

/// Three pods of a network, of which the runtime knows some.
class Gc : public ::testing::Test {
  protected:
    void SetUp() override {
        fresh = host.net().state();
        for (std::size_t i = 0; i < pods.size(); ++i) {
            results.push_back(host.add(pods[i], config()));
            states.push_back(host.net().state());
        }
    }

    std::string config(const Json& more = Json::object()) const {
        Json document{{"ipMasq", true}};
        document.update(more);
        return Cluster::config(cluster.nodes(), document);
    }

    /// The first `count` pods as a runtime lists them.
    Json valid(std::size_t count) const {
        Json list = Json::array();
        for (std::size_t i = 0; i < count; ++i)
            list.push_back({{"containerID", pods[i].id}, {"ifname", "eth0"}});
        return list;
    }

    Call call(const Json& more) const {
        return {.verb = "GC", .config = config(more), .container = {}, .netns = {}};
    }
    Output gc(const Json& more) const { return host.call(call(more)); }
    Output gc(std::size_t count) const { return gc({{"cni.dev/valid-attachments", valid(count)}}); }

    /// Whether the pod's address is leased to it: by another program that knows the store.
    bool is_leased(const std::string& network, const std::string& container) const {
        return ipam("CHECK", network, container).status == 0;
    }
    Output ipam(const char* verb, const std::string& network, const std::string& container) const {
        const Json document{
            {"cniVersion", "1.1.0"},
            {"name", network},
            {"ipam",
             {{"type", "ipip-ipam"}, {"dataDir", "/run/ipip-cni"}, {"subnet", "10.10.100.0/24"}}}};
        return host.call({.verb = verb,
                          .config = document.dump(),
                          .container = container,
                          .netns = "/run/netns/any",
                          .program = "ipip-ipam"});
    }

    /// A host end as an ADD of `network` that was killed would leave it.
    void make_stray_link(const std::string& name, const std::string& network) const {
        host.net().ip("link add " + name + " type veth\nlink set " + name + " alias \"" + network +
                      ": default/stray eth0\"\n");
    }

    Cluster cluster{1};
    Host& host = cluster.host(1);
    std::array<Pod, 3> pods{Pod{"one"}, Pod{"two"}, Pod{"three"}};
    Json fresh;                ///< the host's state before the first pod
    std::vector<Json> states;  ///< after each
    std::vector<Json> results; ///< of their ADDs
};

TEST_F(Gc, TakesAwayWhatBelongsToNoValidAttachmentAndNothingElse) {
    const Output output = gc(2);
    EXPECT_EQ(output.status, 0) << output.out;
    EXPECT_EQ(output.out, "");
    EXPECT_TRUE(is_unchanged(host.net(), states[1]));
    EXPECT_TRUE(is_leased("podnet", "one"));
    EXPECT_TRUE(is_leased("podnet", "two"));
    EXPECT_FALSE(is_leased("podnet", "three"));
    EXPECT_TRUE(reaches(host.net(), address_of(results[0])));
}

TEST_F(Gc, KnowsAnAttachmentByContainerAndInterface) {
    Json list = valid(2);
    list.push_back({{"containerID", "three"}, {"ifname", "net1"}});
    list.push_back({{"containerID", "four"}, {"ifname", "eth0"}});
    EXPECT_EQ(gc({{"cni.dev/valid-attachments", list}}).status, 0);
    EXPECT_TRUE(is_unchanged(host.net(), states[1]));
    EXPECT_FALSE(is_leased("podnet", "three"));
}

TEST_F(Gc, TakesTheOlderNameOfTheListToo) {
    EXPECT_EQ(gc({{"cni.dev/attachments", valid(2)}}).status, 0);
    EXPECT_TRUE(is_unchanged(host.net(), states[1]));
    EXPECT_FALSE(is_leased("podnet", "three"));
}

TEST_F(Gc, PrefersTheNewerName) {
    EXPECT_EQ(
        gc({{"cni.dev/attachments", valid(1)}, {"cni.dev/valid-attachments", valid(3)}}).status, 0);
    EXPECT_TRUE(is_unchanged(host.net(), states[2]));
}

TEST_F(Gc, OfAllThatAreValidChangesNothing) {
    EXPECT_EQ(gc(3).status, 0);
    EXPECT_TRUE(is_unchanged(host.net(), states[2]));
}

TEST_F(Gc, WithoutAListIsRefusedAndChangesNothing) {
    const Refused refused = refusal_of(gc(Json::object()));
    EXPECT_EQ(refused.code, 7);
    EXPECT_THAT(refused.message, AllOf(HasSubstr("cni.dev/valid-attachments"), HasSubstr("[]")));
    EXPECT_TRUE(is_unchanged(host.net(), states[2]));
    EXPECT_TRUE(is_leased("podnet", "three"));
}

TEST_F(Gc, TakesNullForAnEmptyListAsGoWritesIt) {
    EXPECT_EQ(gc({{"cni.dev/attachments", nullptr}, {"cni.dev/valid-attachments", nullptr}}).status,
              0);
    EXPECT_TRUE(is_unchanged(host.net(), fresh));
}

TEST_F(Gc, OfAMalformedListIsRefusedByThePlaceAndChangesNothing) {
    const std::vector<std::pair<const char*, const char*>> rows{
        {R"("three")", R"(cni.dev/valid-attachments: "three")"},
        {R"({})", R"(cni.dev/valid-attachments: {})"},
        {R"(["three"])", R"(cni.dev/valid-attachments[0]: "three")"},
        {R"([{"containerID": "one"}])", R"(cni.dev/valid-attachments[0].ifname)"},
        {R"([{"ifname": "eth0"}])", R"(cni.dev/valid-attachments[0].containerID)"},
        {R"([{"containerID": "one", "ifname": "eth0"}, {"containerID": 2, "ifname": "eth0"}])",
         R"(cni.dev/valid-attachments[1].containerID: 2)"}};
    for (const auto& [list, place] : rows) {
        const Refused refused = refusal_of(gc({{"cni.dev/valid-attachments", Json::parse(list)}}));
        EXPECT_EQ(refused.code, 7) << list;
        EXPECT_THAT(refused.message, HasSubstr(place));
    }
    EXPECT_TRUE(is_unchanged(host.net(), states[2]));
    EXPECT_TRUE(is_leased("podnet", "three"));
}

TEST_F(Gc, LeavesAnotherNetworksLeasesAndLinksAlone) {
    ASSERT_EQ(ipam("ADD", "othernet", "four").status, 0);
    make_stray_link("veth0123456789a", "othernet");
    make_stray_link("veth0123456789", "podnet"); // a name that only looks like ours
    EXPECT_EQ(gc(0).status, 0);
    EXPECT_TRUE(is_leased("othernet", "four"));
    EXPECT_TRUE(has_link(host.net(), "veth0123456789a"));
    EXPECT_TRUE(has_link(host.net(), "veth0123456789"));
    EXPECT_FALSE(has_link(host.net(), link_of(results[0])));
}

TEST_F(Gc, TakesALinkWithoutALease) {
    make_stray_link("veth0123456789a", "podnet");
    EXPECT_EQ(gc(3).status, 0);
    EXPECT_TRUE(is_unchanged(host.net(), states[2]));
}

TEST_F(Gc, FreesALeaseWithoutALink) {
    host.net().ip("link delete " + link_of(results[2]) + "\n");
    EXPECT_EQ(gc(2).status, 0);
    EXPECT_FALSE(is_leased("podnet", "three"));
    EXPECT_TRUE(is_unchanged(host.net(), states[1]));
}

TEST_F(Gc, WithNothingValidTakesTheMeshAwayToo) {
    EXPECT_EQ(gc(0).status, 0);
    EXPECT_TRUE(is_unchanged(host.net(), fresh));
    EXPECT_FALSE(std::filesystem::exists(host.state_dir() / "mesh.stamp"));
}

TEST_F(Gc, MayComeTwice) {
    for (int i = 0; i < 2; ++i) {
        const Output output = gc(0);
        EXPECT_EQ(output.status, 0) << output.out;
        EXPECT_TRUE(is_unchanged(host.net(), fresh));
    }
}

TEST_F(Gc, WorksWithANodeListThatHasBecomeWrong) {
    EXPECT_EQ(gc({{"nodes", {{{"name", 5}}}}, {"cni.dev/valid-attachments", valid(2)}}).status, 0);
    EXPECT_TRUE(is_unchanged(host.net(), states[1]));
}

TEST_F(Gc, ThatCannotDeleteTheLinksFreesNothing) {
    // After a look at all links.
    const Output output =
        host.call(with_refused_requests(call({{"cni.dev/valid-attachments", valid(1)}}), "2"));
    EXPECT_EQ(refusal_of(output).code, 100) << output.out;
    EXPECT_THAT(refusal_of(output).message, HasSubstr("delete the link veth"));
    EXPECT_TRUE(is_unchanged(host.net(), states[2]));
    EXPECT_TRUE(is_leased("podnet", "two")) << "an address is not free while its link stands";
    EXPECT_TRUE(is_leased("podnet", "three"));
    EXPECT_EQ(gc(1).status, 0) << "the next one does the rest";
    EXPECT_TRUE(is_unchanged(host.net(), states[0]));
    EXPECT_FALSE(is_leased("podnet", "three"));
}

TEST_F(Gc, ThatMayDeleteNoLinkSaysSoOfEach) {
    Call powerless = call({{"cni.dev/valid-attachments", valid(1)}});
    powerless.wrapper = {"setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"};
    const Output output = host.call(powerless);
    for (const std::size_t pod : {1U, 2U})
        EXPECT_THAT(output.out, HasSubstr("delete the link " + link_of(results[pod])));
    EXPECT_TRUE(is_unchanged(host.net(), states[2]));
    EXPECT_TRUE(is_leased("podnet", "two")) << "an address is not free while its link stands";
    EXPECT_TRUE(is_leased("podnet", "three"));
}

TEST_F(Gc, TakesALinkThatGotNoAliasYetByItsLease) {
    host.net().ip("link set " + link_of(results[2]) + " alias ''");
    EXPECT_EQ(gc(2).status, 0);
    EXPECT_TRUE(is_unchanged(host.net(), states[1]));
}

TEST_F(Gc, KnowsALinkByWhateverName) {
    const auto rename = [&](std::size_t pod, const std::string& name) {
        const std::string link = link_of(results[pod]);
        host.net().ip("link set " + link + " down\nlink set " + link + " name " + name + "\n");
    };
    rename(0, "bare");
    rename(1, "kept");
    rename(2, "lost");
    host.net().ip("link set bare alias ''");
    EXPECT_EQ(gc({{"cni.dev/valid-attachments", {valid(2).at(1)}}}).status, 0);
    EXPECT_TRUE(has_link(host.net(), "kept"));
    EXPECT_TRUE(is_leased("podnet", "two"));
    for (const char* gone : {"bare", "lost"})
        EXPECT_FALSE(has_link(host.net(), gone));
    for (const char* gone : {"one", "three"})
        EXPECT_FALSE(is_leased("podnet", gone));
}

TEST_F(Gc, FreesNoAddressWhoseLinkStandsUnderAnotherName) {
    const std::string link = link_of(results[2]);
    host.net().ip("link set " + link + " down\nlink set " + link + " name lost\n");
    Call powerless = call({{"cni.dev/valid-attachments", valid(2)}});
    powerless.wrapper = {"setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"};
    EXPECT_THAT(host.call(powerless).out, HasSubstr("delete the link lost"));
    EXPECT_TRUE(is_leased("podnet", "three"));
}

/// The same pods, and another plugin in the place of the own IPAM module.
class GcOfAnotherPlugin : public Gc {
  protected:
    Output gc(std::size_t count) const {
        Call delegated = call({{"ipam", {{"type", "scripted"}, {"key", "value"}}},
                               {"cni.dev/valid-attachments", valid(count)}});
        delegated.path = {scripted.path()};
        return host.call(delegated);
    }

    ScriptedPlugin scripted;
};

TEST_F(GcOfAnotherPlugin, GetsTheCallWithTheWholeConfiguration) {
    const Output output = gc(2);
    EXPECT_EQ(output.status, 0) << output.out;
    EXPECT_EQ(scripted.calls(), "GC");
    EXPECT_EQ(scripted.config("GC").at("cni.dev/valid-attachments"), valid(2));
    EXPECT_EQ(scripted.config("GC").at("ipam").at("key"), "value");
    EXPECT_TRUE(is_unchanged(host.net(), states[1]));
}

TEST_F(GcOfAnotherPlugin, ThatFailsIsReportedAfterTheRestIsDone) {
    scripted.on("GC", "echo '{\"code\": 123, \"msg\": \"no way\"}'; exit 1");
    const Refused refused = refusal_of(gc(2));
    EXPECT_EQ(refused.code, 123);
    EXPECT_THAT(refused.message, AllOf(HasSubstr("scripted"), HasSubstr("no way")));
    EXPECT_TRUE(is_unchanged(host.net(), states[1]));
    EXPECT_FALSE(is_leased("podnet", "three"));
}

TEST_F(GcOfAnotherPlugin, ReportsEveryFailure) {
    scripted.on("GC", "echo '{\"code\": 123, \"msg\": \"no way\"}'; exit 1");
    Call delegated =
        call({{"ipam", {{"type", "scripted"}}}, {"cni.dev/valid-attachments", valid(2)}});
    delegated.path = {scripted.path()};
    const Output output = host.call(with_refused_requests(delegated, "2"));
    EXPECT_THAT(refusal_of(output).message, HasSubstr("no way"));
    EXPECT_THAT(Json::parse(output.out).value("details", ""), HasSubstr(link_of(results[2])));
    EXPECT_TRUE(is_leased("podnet", "three"));
}

TEST_F(GcOfAnotherPlugin, ThatIsMissingIsReportedAfterTheRestIsDone) {
    std::filesystem::remove(scripted.program());
    const Refused refused = refusal_of(gc(2));
    EXPECT_EQ(refused.code, 107);
    EXPECT_THAT(refused.message, HasSubstr("\"scripted\""));
    EXPECT_TRUE(is_unchanged(host.net(), states[1]));
}

} // namespace
} // namespace scene
