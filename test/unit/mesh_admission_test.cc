#include "mesh/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

Node node(const char* name, const char* address, std::vector<const char*> cidrs) {
    json::Value entry{{"name", name}, {"addresses", {address}}, {"podCIDRs", cidrs}};
    return read_node(json::Field(entry));
}

std::vector<std::string> names(const std::vector<Node>& nodes) {
    std::vector<std::string> result;
    for (const Node& each : nodes)
        result.push_back(each.name);
    return result;
}

TEST(Admission, LetsAllInThatCanBeTogether) {
    Admission admission;
    const auto verdict = admission.decide(
        {{node("b", "172.16.5.2", {"10.10.2.0/24"}), node("a", "172.16.5.1", {"10.10.1.0/24"}),
          node("c", "172.16.5.3", {"10.10.3.0/24", "10.11.0.0/16"})}});
    EXPECT_THAT(names(verdict.nodes), ElementsAre("a", "b", "c"));
    EXPECT_THAT(verdict.refused, IsEmpty());
}

TEST(Admission, KeepsOutWhoTakesWhatAnotherHas) {
    const struct {
        Node newcomer;
        const char* why;
    } table[] = {
        {node("z", "172.16.5.1", {"10.10.9.0/24"}), "its address 172.16.5.1 is that of the node a"},
        {node("z", "172.16.5.9", {"10.10.1.0/24"}), "overlaps 10.10.1.0/24 of the node a"},
        {node("z", "172.16.5.9", {"10.10.1.128/25"}), "overlaps 10.10.1.0/24 of the node a"},
        {node("z", "172.16.5.9", {"10.10.0.0/16"}), "overlaps 10.10.1.0/24 of the node a"},
        {node("z", "10.10.1.7", {"10.10.9.0/24"}),
         "10.10.1.7 lies in the pod network 10.10.1.0/24 of the node a"},
        {node("z", "172.16.5.9", {"172.16.0.0/16"}), "holds the address 172.16.5.1 of the node a"},
        {node("z", "192.168.9.9", {"192.168.9.0/24"}),
         "its address 192.168.9.9 lies in its pod network 192.168.9.0/24"},
        {node("z", "192.168.9.9", {"10.9.0.0/16", "10.9.1.0/24"}),
         "its pod networks 10.9.0.0/16 and 10.9.1.0/24 overlap"},
    };
    for (const auto& [newcomer, why] : table) {
        Admission admission;
        const auto verdict =
            admission.decide({{node("a", "172.16.5.1", {"10.10.1.0/24"}), newcomer}});
        EXPECT_THAT(names(verdict.nodes), ElementsAre("a")) << why;
        EXPECT_THAT(verdict.refused, ElementsAre(Pair("z", HasSubstr(why))));
    }
}

TEST(Admission, NeverDropsWhoIsInForWhoComes) {
    Admission admission;
    admission.decide({{node("m", "172.16.5.1", {"10.10.1.0/24"})}});
    // By its name it would come first.
    const auto verdict = admission.decide(
        {{node("a", "172.16.5.1", {"10.10.2.0/24"}), node("m", "172.16.5.1", {"10.10.1.0/24"})}});
    EXPECT_THAT(names(verdict.nodes), ElementsAre("m"));
}

TEST(Admission, LetsTheOtherInOnceTheFirstHasGoneOrChanged) {
    for (const auto& then : {std::vector<Node>{}, {node("m", "172.16.5.7", {"10.10.1.0/24"})}}) {
        Admission admission;
        const Node waits = node("z", "172.16.5.1", {"10.10.2.0/24"});
        admission.decide({{node("m", "172.16.5.1", {"10.10.1.0/24"}), waits}});
        auto candidates = then;
        candidates.push_back(waits);
        const auto verdict = admission.decide({candidates});
        EXPECT_EQ(verdict.nodes.size(), candidates.size());
        EXPECT_THAT(verdict.refused, IsEmpty());
    }
}

TEST(Admission, KeepsAnOldFormWhileTheNewOneCannotBe) {
    const Node good = node("m", "172.16.5.1", {"10.10.1.0/24"});
    const Node other = node("n", "172.16.5.2", {"10.10.2.0/24"});
    Admission admission;
    admission.decide({.candidates = {good, other}});
    const Node clash = node("m", "172.16.5.2", {"10.10.1.0/24"});
    auto verdict = admission.decide({.candidates = {clash, other}});
    EXPECT_THAT(verdict.nodes, ElementsAre(good, other));
    EXPECT_THAT(verdict.refused,
                ElementsAre(Pair("m", "its address 172.16.5.2 is that of the node n; "
                                      "it stays what it was")));
    verdict = admission.decide({.candidates = {other}, .unusable = {"m", "unheard-of"}});
    EXPECT_THAT(verdict.nodes, ElementsAre(good, other));
    EXPECT_THAT(verdict.refused, IsEmpty());
    verdict = admission.decide({.candidates = {other}});
    EXPECT_THAT(verdict.nodes, ElementsAre(other)) << "it has gone";
}

TEST(Admission, BelievesThisHostAboutItself) {
    const Node other = node("a", "172.16.5.1", {"10.10.1.0/24"});
    const Node self = node("z", "172.16.5.1", {"10.10.2.0/24"});
    Admission admission;
    admission.decide({.candidates = {other}});
    const auto verdict = admission.decide({.candidates = {other, self}, .self = "z"});
    EXPECT_THAT(verdict.nodes, ElementsAre(self));
}

TEST(Admission, GivesTheAddressOfASilentNodeToTheNextThatHasIt) {
    const Node gone = node("a", "172.16.5.1", {"10.10.1.0/24"});
    const Node next = node("z", "172.16.5.1", {"10.10.2.0/24"});
    Admission admission;
    auto verdict = admission.decide({.candidates = {gone}, .silent = {"a"}});
    EXPECT_THAT(verdict.nodes, ElementsAre(gone)) << "silence alone is no reason";
    verdict = admission.decide({.candidates = {gone, next}});
    EXPECT_THAT(verdict.nodes, ElementsAre(gone));
    verdict = admission.decide({.candidates = {gone, next}, .silent = {"a"}});
    EXPECT_THAT(verdict.nodes, ElementsAre(next));
}

// After a boot nobody has been in, and the thief's name may come first.
TEST(Admission, BelievesTheClusterBeforeWhatANodeSaysOfItself) {
    const Node thief = node("a", "172.16.5.1", {"10.10.3.0/24"});
    const Node owner = node("c", "172.16.5.3", {"10.10.3.0/24"});
    Admission admission;
    auto verdict = admission.decide({.candidates = {thief, owner}, .annotated = {"a"}});
    EXPECT_THAT(verdict.nodes, ElementsAre(owner));
    EXPECT_THAT(verdict.refused, ElementsAre(Pair("a", HasSubstr("of the node c"))));
    const Node moved = node("c", "172.16.5.4", {"10.10.3.0/24"});
    verdict = admission.decide({.candidates = {thief, moved}, .annotated = {"a"}});
    EXPECT_THAT(verdict.nodes, ElementsAre(moved)) << "also while it changes";
}

TEST(Admission, RemembersWhoWasInBeforeARestart) {
    const Node in = node("m", "172.16.5.1", {"10.10.1.0/24"});
    Admission admission({in});
    const auto verdict =
        admission.decide({.candidates = {node("a", "172.16.5.1", {"10.10.2.0/24"}), in}});
    EXPECT_THAT(verdict.nodes, ElementsAre(in));
}

} // namespace
} // namespace mesh
