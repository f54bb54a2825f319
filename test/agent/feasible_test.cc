#include "agent/feasible.h"

#include <gmock/gmock.h>

namespace agent {
namespace {

using ip::Address;
using ip::Cidr;
using mesh::Conflict;
using mesh::Node;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Node node(int number) {
    const std::string n = std::to_string(number);
    return {.name = "host" + n,
            .addresses = {Address::parse("172.16.5." + n)},
            .pod_cidrs = {Cidr::parse("10.10." + n + ".0/24"), Cidr::parse("10.11." + n + ".0/24")},
            .tunnel_addresses = {Address::parse("10.10." + n + ".1")}};
}

/// Something in the way of that node's tunnel or, with a third number, of a route into it.
Conflict conflict(int number, int second = 0) {
    Conflict::InTheWay obstacle{
        .remote = node(number).addresses.front(), .what = "why", .pod_cidr = {}};
    if (second != 0)
        obstacle.pod_cidr =
            Cidr::parse("10." + std::to_string(second) + '.' + std::to_string(number) + ".0/24");
    return Conflict({obstacle});
}

class FeasibleTest : public testing::Test {
  protected:
    FeasibleTest() { feasible_.want(all_); }

    const std::vector<Node> all_{node(1), node(2), node(3), node(4)};
    const Feasible::Clock::time_point now_ = Feasible::Clock::now();
    Feasible feasible_;
};

TEST_F(FeasibleTest, IsWhatIsWantedWhereNothingIsInTheWay) {
    EXPECT_THAT(feasible_.nodes(), ElementsAre(node(1), node(2), node(3), node(4)));
    EXPECT_FALSE(feasible_.want(all_)) << "the same";
    EXPECT_TRUE(feasible_.want({node(1), node(2)}));
    EXPECT_EQ(feasible_.wanted(), 2U);
    EXPECT_THAT(feasible_.left_out(), IsEmpty());
}

TEST_F(FeasibleTest, LosesANodeWhoseTunnelCannotBeAndNamesIt) {
    EXPECT_THAT(feasible_.leave_out(conflict(3), now_), ElementsAre("node host3 is left out: why"));
    EXPECT_THAT(feasible_.nodes(), ElementsAre(node(1), node(2), node(4)));
    EXPECT_THAT(feasible_.left_out(), ElementsAre(node(3)));
    EXPECT_EQ(feasible_.wanted(), 4U);
    EXPECT_FALSE(feasible_.want(all_)) << "it stays left out";
}

TEST_F(FeasibleTest, LosesAPodNetworkOfItsOnlyPeerButNotThePeer) {
    feasible_.want({node(1), node(2)});
    Node less = node(2);
    less.pod_cidrs.pop_back();
    EXPECT_THAT(feasible_.leave_out(conflict(2, 11), now_),
                ElementsAre("node host2 goes without 10.11.2.0/24: why"));
    EXPECT_THAT(feasible_.nodes(), ElementsAre(node(1), less));
    EXPECT_THAT(feasible_.leave_out(conflict(2), now_), IsEmpty());
    EXPECT_THAT(feasible_.nodes(), ElementsAre(node(1), less)) << "all or nothing";
}

TEST_F(FeasibleTest, LosesOneOfANodesPodNetworksUnlessItsEndpointIsInIt) {
    EXPECT_THAT(feasible_.leave_out(conflict(3, 11), now_),
                ElementsAre("node host3 goes without 10.11.3.0/24: why"));
    Node less = node(3);
    less.pod_cidrs.pop_back();
    EXPECT_THAT(feasible_.nodes(), ElementsAre(node(1), node(2), less, node(4)));
    EXPECT_FALSE(feasible_.want(all_));
    EXPECT_EQ(feasible_.wanted(), 4U);
    EXPECT_THAT(feasible_.leave_out(conflict(3, 10), now_),
                ElementsAre(HasSubstr("node host3 is left out")));
    EXPECT_THAT(feasible_.nodes(), ElementsAre(node(1), node(2), node(4)));
    EXPECT_THAT(feasible_.left_out(), ElementsAre(node(3))) << "as it was wanted";
}

TEST_F(FeasibleTest, LeavesSomePeerOrNothingOut) {
    EXPECT_THAT(feasible_.leave_out(Conflict("of all of it"), now_), IsEmpty());
    std::vector<Conflict::InTheWay> everybody;
    for (const int number : {2, 3, 4})
        everybody.push_back(conflict(number).obstacles().front());
    EXPECT_THAT(feasible_.leave_out(Conflict(everybody), now_), IsEmpty());
    EXPECT_EQ(feasible_.nodes(), all_);
}

TEST_F(FeasibleTest, TriesAgainSomeMinutesAfterTheFirst) {
    using std::chrono::minutes;
    EXPECT_FALSE(feasible_.try_again(now_ + minutes(60))) << "there is nothing to try";
    feasible_.leave_out(conflict(3), now_);
    feasible_.leave_out(conflict(2, 11), now_ + minutes(4));
    EXPECT_FALSE(feasible_.try_again(now_ + minutes(4)));
    EXPECT_TRUE(feasible_.try_again(now_ + minutes(5)));
    EXPECT_EQ(feasible_.nodes(), all_);
    EXPECT_THAT(feasible_.left_out(), IsEmpty());
}

TEST_F(FeasibleTest, TriesANodeAtOnceThatHasChangedOrGone) {
    feasible_.leave_out(conflict(3), now_);
    auto other = all_;
    other[2].pod_cidrs = {Cidr::parse("10.10.33.0/24")};
    EXPECT_TRUE(feasible_.want(other));
    EXPECT_EQ(feasible_.nodes(), other);
    feasible_.leave_out(conflict(3), now_);
    EXPECT_FALSE(feasible_.want({node(1), node(2), node(4)})) << "it was not had";
    EXPECT_THAT(feasible_.left_out(), IsEmpty());
}

} // namespace
} // namespace agent
