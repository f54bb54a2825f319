#include "test/protocol/delegation.h"
#include "test/system/trace.h"

#include <gmock/gmock.h>

// What other IPAM plugins do wrong: nothing of it is left behind, and the error says who and what.

namespace scene {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class DelegateFailure : public Delegation {
  protected:
    std::string who(const std::string& verb) const {
        return "the plugin " + scripted.program() + " (" + verb + ") ";
    }
    std::string gave() const {
        return "the plugin " + scripted.program() + " gave no result that can be used: ";
    }
    std::string answer(const char* json) const { return "echo '" + std::string(json) + "'"; }
    Refused refused(const char* verb, const Json& more = Json::object()) const {
        return refusal_of(call(verb, config(scripted_ipam, more)));
    }
};

TEST_F(DelegateFailure, OfAnAddLeavesNothingAndSendsItADel) {
    struct Row {
        std::string lines;
        int code;
        std::string message;
    };
    const std::vector<Row> table{
        {"exit 1", 107, who("ADD") + "failed with exit status 1; it printed nothing"},
        {"echo no server >&2; exit 2", 107,
         who("ADD") + "failed with exit status 2; on standard error \"no server\""},
        {"echo no server; exit 1", 107,
         who("ADD") + "failed with exit status 1; it printed \"no server\""},
        {"kill -SEGV $$", 107, who("ADD") + "was ended by signal 11; it printed nothing"},
        {answer(R"({"cniVersion": "1.0.0", "code": 11, "msg": "no server", "details": "eth0"})") +
             "; exit 1",
         11, who("ADD") + "failed: no server: eth0"},
        {"echo bound to 10.10.100.50", 107,
         who("ADD") + "did not answer in JSON; it printed \"bound to 10.10.100.50\""},
        {answer(R"({"ips": [{"address": "10.10.100.50/24"}]} trailing)"), 107,
         who("ADD") + "did not answer in JSON; it printed \"{\"ips\": [{\"address\": "
                      "\"10.10.100.50/24\"}]} trailing\""},
        {"exit 0", 107, gave() + "the document: null is not an object"},
        {answer("[]"), 107, gave() + "the document: [] is not an object"},
        {answer("{}"), 107, gave() + "ips: holds no address"},
        {answer(R"({"ips": []})"), 107, gave() + "ips: holds no address"},
        {answer(R"({"ip4": {"ip": "10.10.100.50/24"}})"), 107, gave() + "ips: holds no address"},
        {answer(R"({"ips": [{"address": "10.10.100/24"}]})"), 107,
         gave() + "ips[0].address: \"10.10.100\" is not an IP address; write one such as "
                  "10.10.100.10"},
        {answer(R"({"ips": [{"address": "10.10.100.50/33"}]})"), 107,
         gave() + "ips[0].address: \"10.10.100.50/33\" has no prefix length"},
        {answer(R"({"ips": "10.10.100.50/24"})"), 107,
         gave() + "ips: \"10.10.100.50/24\" is not a list"},
        {answer(R"({"ips": [{"address": "10.10.100.50/24"}], "routes": [{"dst": 5}]})"), 107,
         gave() + "routes[0].dst: 5 is not a string"},
        {answer(R"({"ips": [{"address": "10.20.0.5/16"}]})"), 7,
         "ipam: the plugin " + scripted.program() +
             " gave 10.20.0.5, which is outside of this node's podCIDRs (10.10.100.0/24), where "
             "no other node's routes lead; give it a range inside"},
        {answer(R"({"ips": [{"address": "10.10.100.10/24"}]})"), 7,
         "ipam: the plugin " + scripted.program() +
             " gave 10.10.100.10, which is the node's tunnel endpoint; leave that out of its "
             "range"},
        {answer(R"({"ips": [{"address": "fd00::5/64"}]})"), 7,
         "ipam: the plugin " + scripted.program() +
             " gave fd00::5, which is outside of this node's podCIDRs"},
        {answer(R"({"ips": [{"address": "10.10.100.50/24"}, {"address": "10.10.100.50/24"}]})"), 7,
         "ipam: the plugin " + scripted.program() +
             " gave 10.10.100.50, which is twice in its result"},
        {answer(R"({"ips": [{"address": "10.10.100.50/24"}], "routes": [{"dst": "::/0"}]})"), 7,
         "ipam.routes: ::/0 is of a family of which the pod has no address; remove it"},
    };
    for (const auto& [lines, code, message] : table) {
        scripted.forget_calls();
        scripted.on("ADD", lines);
        const Refused error = refused("ADD");
        EXPECT_EQ(error.code, code) << lines;
        EXPECT_THAT(error.message, StartsWith(message)) << lines;
        EXPECT_EQ(scripted.calls(), "ADD DEL") << lines;
        expect_nothing_left();
    }
}

TEST_F(DelegateFailure, AlsoOfTheDelThatFollowsTellsTheFirstCause) {
    scripted.on("ADD", "echo first; exit 1");
    scripted.on("DEL", "echo second; exit 1");
    EXPECT_THAT(refused("ADD").message, EndsWith("it printed \"first\""));
    EXPECT_EQ(scripted.calls(), "ADD DEL");
    expect_nothing_left();
}

TEST_F(DelegateFailure, AsItIsNotInstalledIsSaidBeforeAnythingIsMade) {
    std::filesystem::remove(scripted.program());
    const Refused error = refused("ADD");
    EXPECT_EQ(error.code, 107);
    EXPECT_THAT(error.message,
                StartsWith("ipam.type: the plugin \"scripted\" is in no directory of CNI_PATH (" +
                           scripted.path()));
    EXPECT_THAT(error.message, EndsWith("; install it there"));
    EXPECT_EQ(refused("STATUS", {{"cniVersion", "1.1.0"}}).message, error.message);
    expect_nothing_left();
}

TEST_F(DelegateFailure, OfADelTakesAllElseAwayAndIsReported) {
    scripted.gives(given);
    for (const char* lines :
         {"echo '{\"code\": 11, \"msg\": \"no server\"}'; exit 1", "rm $0; exit 1"}) {
        add(config(scripted_ipam));
        scripted.on("DEL", lines);
        const Refused error = refused("DEL");
        EXPECT_NE(error.code, 0);
        EXPECT_THAT(error.message, StartsWith(who("DEL") + "failed"));
        expect_nothing_left();
    }
    // It is gone now, and what is left to do is not known.
    EXPECT_EQ(refused("DEL").code, 107);
}

TEST_F(DelegateFailure, OfADelIsReportedTogetherWithOthers) {
    scripted.gives(given);
    const std::string link = link_of(add(config(scripted_ipam)));
    scripted.on("DEL", "echo '{\"code\": 11, \"msg\": \"no server\"}'; exit 1");
    Call call{.verb = "DEL",
              .config = config(scripted_ipam),
              .container = pod.id,
              .netns = pod.net.path(),
              .path = {scripted.path()}};
    const Output output = host.call(with_refused_requests(call, "1"));
    EXPECT_EQ(refusal_of(output).code, 11) << output.out;
    EXPECT_THAT(Json::parse(output.out).value("details", ""), HasSubstr("delete the link " + link));
    scripted.on("DEL", "");
    expect_done(this->call("DEL", config(scripted_ipam)));
    expect_nothing_left();
}

TEST_F(DelegateFailure, OfACheckOrStatusIsTheAnswer) {
    scripted.gives(given);
    const Json result = add(config(scripted_ipam));
    scripted.on("CHECK", answer(R"({"code": 8, "msg": "the lease has ended"})") + "; exit 1");
    const Refused check = refused("CHECK", {{"prevResult", result}});
    EXPECT_EQ(check.code, 8);
    EXPECT_EQ(check.message, who("CHECK") + "failed: the lease has ended");
    scripted.on("STATUS", answer(R"({"code": 50, "msg": "no server"})") + "; exit 1");
    const Refused status = refused("STATUS", {{"cniVersion", "1.1.0"}});
    EXPECT_EQ(status.code, 50);
    EXPECT_EQ(status.message, who("STATUS") + "failed: no server");
}

TEST_F(DelegateFailure, OfAGcKeepsNothingFromBeingCollected) {
    scripted.gives({{"cniVersion", "1.1.0"}, {"ips", given.at("ips")}});
    add(config(scripted_ipam, {{"cniVersion", "1.1.0"}}));
    scripted.on("GC", "exit 1");
    const Refused error =
        refused("GC", {{"cniVersion", "1.1.0"}, {"cni.dev/valid-attachments", Json::array()}});
    EXPECT_EQ(error.code, 107);
    EXPECT_THAT(error.message, StartsWith(who("GC") + "failed with exit status 1"));
    expect_nothing_left();
}

TEST_F(DelegateFailure, ToBeNamedKeepsNoPodFromBeingDeleted) {
    scripted.gives(given);
    for (const Json& ipam : {Json{{"type", 5}}, Json{{"type", "../scripted"}}, Json("scripted")}) {
        add(config(scripted_ipam));
        const Output output = call("DEL", config(ipam));
        EXPECT_EQ(refusal_of(output).code, 7) << ipam << output.out;
        expect_nothing_left();
    }
}

} // namespace
} // namespace scene
