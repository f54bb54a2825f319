#include "netlink/socket.h"

#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/message.h"
#include "netlink/netns.h"
#include "netlink/nftables.h"
#include "netlink/route.h"
#include "test/kernel/scene.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <set>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

namespace netlink {
namespace {

using scene::Namespace;
using testing::HasSubstr;

/// The test's thread is in a namespace of its own.
class SocketTest : public testing::Test {
  protected:
    Namespace host_;
    scene::Visit inside_{host_};
    Socket socket_;
};

/// 10.<second>.0.0 + number
ip::Address numbered_address(std::uint8_t second, unsigned number) {
    const std::array<std::uint8_t, 4> bytes{10, second, static_cast<std::uint8_t>(number >> 8),
                                            static_cast<std::uint8_t>(number & 0xff)};
    return ip::Address::from_bytes(bytes);
}

Request numbered_route(unsigned number) {
    return add_route({.destination = ip::Cidr::host(numbered_address(1, number)),
                      .protocol = own_protocol,
                      .unreachable = true});
}

std::size_t routes_in(const Namespace& space) {
    return space.json("ip -j route show type unreachable").size();
}

/// The number of the error at each place, 0 for none.
std::vector<int> numbers(const std::vector<Socket::Answer>& answers) {
    std::vector<int> result;
    for (const Socket::Answer& answer : answers)
        result.push_back(answer.error ? answer.error->number() : 0);
    return result;
}

TEST_F(SocketTest, DoesNothingForNoRequests) {
    EXPECT_TRUE(socket_.exchange(std::vector<Request>{}).empty());
    socket_.run(std::vector<Request>());
}

TEST_F(SocketTest, PipelinesMoreRequestsThanFitOneSystemCall) {
    for (const unsigned count : {1U, 63U, 64U, 65U, 128U, 300U}) {
        const Namespace space;
        const scene::Visit inside(space);
        Socket socket;
        std::vector<Request> requests;
        for (unsigned i = 0; i < count; ++i)
            requests.push_back(numbered_route(i));
        EXPECT_EQ(numbers(socket.exchange(requests)), std::vector<int>(count, 0));
        EXPECT_EQ(routes_in(space), count);
    }
}

TEST_F(SocketTest, ReportsEachErrorForItsOwnRequestAndDoesAllOthers) {
    // First and last of a system call, and one amid: where an answer could slip to a neighbour.
    const std::set<unsigned> failing{1, 30, 63, 64, 65, 127, 128, 150, 199};
    std::vector<Request> requests;
    std::vector<int> expected;
    for (unsigned i = 0; i < 200; ++i) {
        requests.push_back(numbered_route(failing.contains(i) ? 0 : i)); // 0 exists by then
        expected.push_back(failing.contains(i) ? EEXIST : 0);
    }
    const auto answers = socket_.exchange(requests);
    EXPECT_EQ(numbers(answers), expected);
    EXPECT_STREQ(answers[150].error->what(),
                 "cannot add the unreachable route 10.1.0.0/32: File exists");
    EXPECT_EQ(routes_in(host_), 200 - failing.size());
}

TEST_F(SocketTest, GivesEachRequestItsOwnReply) {
    host_.ip("link add v1 type veth peer name v2\n");
    std::vector<Request> requests;
    for (const char* name : {"v1", "nothing", "lo", "v2"})
        requests.push_back(get_link(std::string(name)));
    const auto answers = socket_.exchange(requests);
    EXPECT_EQ(to_link(answers[0].reply).name, "v1");
    EXPECT_EQ(answers[1].error->number(), ENODEV);
    EXPECT_EQ(answers[1].reply, nullptr);
    EXPECT_EQ(to_link(answers[2].reply).name, "lo");
    EXPECT_EQ(to_link(answers[3].reply).name, "v2");
}

TEST_F(SocketTest, RunThrowsTheFirstErrorAfterAllWasDone) {
    std::vector<Request> requests;
    for (const unsigned number : {1U, 2U, 1U, 3U, 2U, 4U})
        requests.push_back(numbered_route(number));
    try {
        socket_.run(requests);
        ADD_FAILURE() << "no error";
    } catch (const Error& error) {
        EXPECT_EQ(error.number(), EEXIST);
        EXPECT_THAT(error.what(), HasSubstr("10.1.0.1/32"));
    }
    EXPECT_EQ(routes_in(host_), 4U);
}

TEST_F(SocketTest, RunOverlooksTheErrorOfWhatMayFail) {
    std::vector<Request> requests;
    for (const unsigned number : {1U, 1U, 2U})
        requests.push_back(numbered_route(number));
    requests[1].may_fail = true;
    socket_.run(requests);
    EXPECT_EQ(routes_in(host_), 2U);
}

TEST_F(SocketTest, ErrorsBearTheKernelsOwnSentence) {
    host_.ip("link add v1 type veth peer name v2\nlink set v1 up\n");
    const int link = to_link(socket_.find(get_link("v1"))).index;
    try {
        socket_.run(add_route({.destination = ip::Cidr::parse("10.1.0.0/16"),
                               .link = link,
                               .gateway = ip::Address::parse("224.0.0.1")}));
        ADD_FAILURE() << "no error";
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "cannot add the route 10.1.0.0/16: Nexthop has invalid gateway "
                                   "(Invalid argument)");
    }
}

TEST_F(SocketTest, FindsNothingWhereTheKernelHasNoSuchThing) {
    EXPECT_EQ(socket_.find(get_link("nothing")), nullptr);
    EXPECT_EQ(socket_.find(get_link(4711)), nullptr);
    EXPECT_EQ(socket_.find(get_route(ip::Address::parse("192.0.2.1"))), nullptr);
    host_.ip("route add unreachable 192.0.2.0/24\n");
    EXPECT_EQ(socket_.find(get_route(ip::Address::parse("192.0.2.1"))), nullptr);
}

TEST_F(SocketTest, FindThrowsWhatIsNoAbsence) {
    EXPECT_THROW(socket_.find(get_link("a-name-longer-than-any-device-can-have")), Error);
}

TEST_F(SocketTest, WorksOnAfterAnError) {
    for (int i = 0; i < 3; ++i) {
        EXPECT_THROW(socket_.run(delete_link("nothing")), Error);
        EXPECT_EQ(to_link(socket_.find(get_link("lo"))).index, 1);
        EXPECT_EQ(dump_addresses(socket_, ip::Family::v4).size(), 1U);
    }
}

TEST_F(SocketTest, SaysWhenThePrivilegeIsMissing) {
    const auto number_without_privilege = [](auto act) {
        return scene::in_processes(1, [&](int) {
            if (::seteuid(65534) != 0)
                return 99;
            try {
                act();
            } catch (const Error& error) {
                return error.number();
            }
            return 0;
        });
    };
    EXPECT_EQ(number_without_privilege([] { Socket().run(numbered_route(1)); }),
              std::vector{EPERM});
    EXPECT_EQ(number_without_privilege(
                  [] { set_rules({.masquerade = Masquerade{}, .source_check = {}}); }),
              std::vector{EPERM});
}

TEST_F(SocketTest, DumpsMoreLinksThanOneBufferHolds) {
    const Namespace other;
    const Netns pod = Netns::open(other.path());
    constexpr int count = 500;
    std::vector<Request> requests;
    std::set<std::string> names;
    for (int i = 0; i < count; ++i) {
        const std::string name = "v" + std::to_string(i);
        names.insert(name);
        requests.push_back(make_veth({.host_name = name,
                                      .pod_name = name,
                                      .host_mac = ip::Mac::parse("02:00:00:00:00:01"),
                                      .pod_mac = ip::Mac::parse("02:00:00:00:00:02"),
                                      .mtu = 1500},
                                     pod));
    }
    socket_.run(requests);
    std::set<std::string> dumped;
    for (const Link& link : dump_links(socket_, "veth"))
        dumped.insert(link.name);
    EXPECT_EQ(dumped, names);
    EXPECT_TRUE(dump_links(socket_, "bridge").empty());
}

TEST_F(SocketTest, DumpsMoreAddressesAndRoutesThanOneBufferHolds) {
    constexpr unsigned count = 2000;
    std::vector<Request> requests;
    std::set<std::string> expected{"127.0.0.1"};
    for (unsigned i = 0; i < count; ++i) {
        const ip::Address address = numbered_address(2, i);
        expected.insert(address.to_string());
        requests.push_back(add_address({.link = 1, .local = address, .peer = {}, .prefix = 32}));
        requests.push_back(numbered_route(i));
    }
    socket_.run(requests);
    std::set<std::string> dumped;
    for (const InterfaceAddress& address : dump_addresses(socket_, ip::Family::v4))
        dumped.insert(address.local.to_string());
    EXPECT_EQ(dumped, expected);
    std::set<ip::Cidr> destinations;
    for (const Route& route : dump_own_routes(socket_, ip::Family::v4))
        destinations.insert(route.destination);
    EXPECT_EQ(destinations.size(), count);
}

TEST_F(SocketTest, RepeatsADumpThatAChangeInterrupts) {
    std::vector<Request> requests;
    std::set<std::string> expected{"127.0.0.1", "10.3.0.1"};
    for (unsigned i = 0; i < 2000; ++i) {
        expected.insert(numbered_address(2, i).to_string());
        requests.push_back(
            add_address({.link = 1, .local = numbered_address(2, i), .peer = {}, .prefix = 32}));
    }
    socket_.run(requests);
    ifaddrmsg header{};
    header.ifa_family = AF_INET;
    const Request dump{make_message(RTM_GETADDR, 0, header), "list the addresses"};
    Socket other;
    bool changed = false;
    int restarts = 0;
    std::vector<std::string> found;
    socket_.dump(
        dump,
        [&](nlmsghdr* message) {
            // The kernel has filled a buffer or two, and goes on as they are read.
            if (!std::exchange(changed, true))
                other.run(add_address(
                    {.link = 1, .local = numbered_address(3, 1), .peer = {}, .prefix = 32}));
            const nlattr* local = nlmsg_find_attr(message, sizeof header, IFA_LOCAL);
            const auto* bytes = static_cast<const std::uint8_t*>(nla_data(local));
            found.push_back(ip::Address::from_bytes({bytes, 4}).to_string());
        },
        [&] {
            ++restarts;
            found.clear();
        });
    EXPECT_EQ(restarts, 1);
    EXPECT_THAT(found, testing::UnorderedElementsAreArray(expected));
}

TEST_F(SocketTest, WorksOnAfterADumpThatWasGivenUp) {
    const Request dump{make_message(RTM_GETADDR, 0, ifaddrmsg{}), "list the addresses"};
    struct Enough {};
    EXPECT_THROW(socket_.dump(
                     dump, [](nlmsghdr*) { throw Enough(); }, [] {}),
                 Enough);
    EXPECT_EQ(to_link(socket_.find(get_link("lo"))).index, 1);
    EXPECT_EQ(dump_addresses(socket_, ip::Family::v4).size(), 1U);
}

/// A request about an nftables table of the family inet.
Request table(int type, int flags, const std::string& name) {
    Message message = make_message((NFNL_SUBSYS_NFTABLES << 8) | type, flags,
                                   nfgenmsg{NFPROTO_INET, NFNETLINK_V0, 0});
    built(nla_put_string(message.get(), NFTA_TABLE_NAME, name.c_str()));
    return {std::move(message), "touch the table " + name};
}

std::vector<std::string> tables_in(const Namespace& space) {
    std::vector<std::string> names;
    const scene::Json listed = space.json("nft -j list tables");
    for (const auto& entry : listed.at("nftables"))
        if (entry.contains("table"))
            names.push_back(entry.at("table").at("name"));
    return names;
}

TEST_F(SocketTest, ATransactionTakesEffectAsAWhole) {
    Socket netfilter(NETLINK_NETFILTER);
    std::vector<Request> requests;
    requests.push_back(table(NFT_MSG_NEWTABLE, NLM_F_CREATE, "one"));
    requests.push_back(table(NFT_MSG_NEWTABLE, NLM_F_CREATE, "two"));
    netfilter.transact(requests);
    EXPECT_EQ(tables_in(host_), (std::vector<std::string>{"one", "two"}));
}

TEST_F(SocketTest, ATransactionThatFailsHasNoEffectAndTheSocketWorksOn) {
    Socket netfilter(NETLINK_NETFILTER);
    std::vector<Request> requests;
    requests.push_back(table(NFT_MSG_NEWTABLE, NLM_F_CREATE, "one"));
    requests.push_back(table(NFT_MSG_DELTABLE, 0, "missing"));
    requests.push_back(table(NFT_MSG_NEWTABLE, NLM_F_CREATE, "two"));
    try {
        netfilter.transact(requests);
        ADD_FAILURE() << "no error";
    } catch (const Error& error) {
        EXPECT_EQ(error.number(), ENOENT);
        EXPECT_THAT(error.what(), HasSubstr("touch the table missing"));
    }
    EXPECT_TRUE(tables_in(host_).empty());
    requests.erase(requests.begin() + 1);
    netfilter.transact(requests);
    EXPECT_EQ(tables_in(host_), (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(netfilter.find(table(NFT_MSG_GETTABLE, 0, "three")), nullptr);
    EXPECT_NE(netfilter.find(table(NFT_MSG_GETTABLE, 0, "two")), nullptr);
}

/// What the socket of whichever other process would get from the kernel, from another port of the
/// namespace: a pod with CAP_NET_ADMIN can do that to the plugin's socket in there.
void pretend_to_be_the_kernel(const nlmsgerr& answer, std::uint32_t sequence) {
    struct {
        nlmsghdr header;
        nlmsgerr body;
    } const message{{sizeof message, NLMSG_ERROR, 0, sequence, 0}, answer};
    const Fd stranger(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    std::ifstream sockets("/proc/thread-self/net/netlink");
    std::string line;
    std::getline(sockets, line); // the headings: sk Eth Pid ...
    int sent = 0;
    while (std::getline(sockets, line)) {
        std::istringstream words(line);
        std::string kernel_address;
        int protocol = 0;
        sockaddr_nl to{};
        to.nl_family = AF_NETLINK;
        words >> kernel_address >> protocol >> to.nl_pid;
        if (protocol != NETLINK_ROUTE || to.nl_pid == 0)
            continue;
        scene::checked(::sendto(stranger.get(), &message, sizeof message, 0,
                                reinterpret_cast<const sockaddr*>(&to), sizeof to),
                       "send to a netlink socket");
        ++sent;
    }
    EXPECT_EQ(sent, 1);
}

TEST_F(SocketTest, HearsNobodyWhoPretendsToBeTheKernel) {
    socket_.find(get_link("lo")); // its request number 0, with which it gets a port
    pretend_to_be_the_kernel({-EPERM, {}}, 1);
    EXPECT_EQ(to_link(socket_.find(get_link("lo"))).index, 1);
    pretend_to_be_the_kernel({0, {}}, 2);
    EXPECT_EQ(to_link(socket_.find(get_link("lo"))).index, 1);
    pretend_to_be_the_kernel({-EPERM, {}}, 3);
    EXPECT_EQ(dump_addresses(socket_, ip::Family::v4).size(), 1U);
}

TEST_F(SocketTest, TakesNoMessageForAnotherKind) {
    const Message link = socket_.find(get_link("lo"));
    EXPECT_THROW(to_route(link), Error);
    EXPECT_THROW(to_link(nullptr), Error);
    EXPECT_THROW(to_link(make_message(RTM_NEWLINK, 0, std::uint16_t{0})), Error);
}

TEST_F(SocketTest, SaysWhenTheProtocolIsUnknown) {
    try {
        const Socket none(31);
        ADD_FAILURE() << "no error";
    } catch (const Error& error) {
        EXPECT_EQ(error.number(), EPROTONOSUPPORT);
        EXPECT_STREQ(error.what(), "cannot open a netlink socket: Protocol not supported");
    }
}

} // namespace
} // namespace netlink
