#include "cni/delegate.h"
#include "cni/error.h"
#include "test/unit/script_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

namespace cni {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

constexpr milliseconds long_patience{60'000}; // which no test uses up unless it fails

class DelegateTest : public testing::Test {
  protected:
    Delegate delegate(const json::Value& type = "other",
                      milliseconds patience = long_patience) const {
        const json::Value config{{"ipam", {{"type", type}}}};
        return {json::Field(config).find("ipam")->find("type").value(),
                {"/nowhere", scripts.path()},
                patience};
    }
    /// What a program of these lines answers to an ADD.
    json::Value answer(const std::string& lines) const {
        scripts.write("other", lines);
        return delegate().call(Verb::add, {{"name", "podnet"}});
    }
    Failure failure(const std::string& lines, milliseconds patience = long_patience) const {
        scripts.write("other", lines);
        try {
            return {0,
                    "it gave " +
                        delegate("other", patience).call(Verb::add, {{"name", "podnet"}}).dump()};
        } catch (const Failure& error) {
            return error;
        }
    }
    std::string refusal(const json::Value& type) const {
        try {
            return "found " + delegate(type).program();
        } catch (const std::exception& error) {
            return error.what();
        }
    }

    ScriptFolder scripts;
    std::string who = "the plugin " + (scripts.path() / "other").string() + " (ADD) ";
};

TEST_F(DelegateTest, IsTheFirstProgramOfItsNameInThePath) {
    const ScriptFolder later;
    later.write("other", "");
    scripts.write("other", "");
    const json::Value type("other");
    const json::Field field(type);
    EXPECT_EQ(Delegate(field, {"/nowhere", scripts.path(), later.path()}).program(),
              scripts.path() / "other");
    EXPECT_EQ(Delegate(field, {later.path(), scripts.path()}).program(), later.path() / "other");
}

TEST_F(DelegateTest, IsNoFolderAndNoFileThatCannotBeRun) {
    std::filesystem::create_directory(scripts.path() / "folder");
    std::ofstream(scripts.path() / "text") << "no program";
    for (const char* name : {"folder", "text", "missing"}) {
        const std::string quoted = '"' + std::string(name) + '"';
        EXPECT_EQ(refusal(name), "ipam.type: the plugin " + quoted +
                                     " is in no directory of CNI_PATH (/nowhere, " +
                                     scripts.path().string() + "); install it there");
    }
    const json::Value type("other");
    try {
        const Delegate none(json::Field(type), {});
        ADD_FAILURE() << none.program();
    } catch (const Failure& error) {
        EXPECT_EQ(error.code(), delegate_failed);
        EXPECT_THAT(error.what(), HasSubstr("CNI_PATH names no directory"));
    }
}

TEST_F(DelegateTest, IsNotLookedForOutsideOfThePath) {
    scripts.write("other", "");
    for (const json::Value& name : std::vector<json::Value>{"", ".", "..", "../other", "/bin/sh",
                                                            "a\\b", std::string("other\0", 6)})
        EXPECT_EQ(refusal(name), "ipam.type: " + name.dump() +
                                     " is no name of a plugin; use one such as "
                                     "\"host-local\"");
    EXPECT_EQ(refusal(5), "ipam.type: 5 is not a string");
}

TEST_F(DelegateTest, GetsTheConfigurationAndTheEnvironmentWithItsVerb) {
    ::setenv("CNI_COMMAND", "STATUS", 1);
    ::setenv("CNI_IFNAME", "eth7", 1);
    scripts.write("other", "config=$(cat)\n"
                           "echo \"{\\\"verb\\\": \\\"$CNI_COMMAND\\\", \\\"ifname\\\": "
                           "\\\"$CNI_IFNAME\\\", \\\"config\\\": $config}\"");
    const json::Value config{{"name", "podnet"}, {"prevResult", {{"dns", nullptr}}}};
    for (const auto& [verb, word] :
         {std::pair(Verb::add, "ADD"), std::pair(Verb::del, "DEL"), std::pair(Verb::check, "CHECK"),
          std::pair(Verb::gc, "GC"), std::pair(Verb::status, "STATUS")})
        EXPECT_EQ(delegate().call(verb, config),
                  json::Value({{"verb", word}, {"ifname", "eth7"}, {"config", config}}));
    ::unsetenv("CNI_COMMAND");
    ::unsetenv("CNI_IFNAME");
}

TEST_F(DelegateTest, MayHaveNothingToSay) {
    EXPECT_TRUE(answer("exit 0").is_null());
    EXPECT_TRUE(answer("echo").is_null());
    EXPECT_EQ(answer("echo noise >&2; echo '{\"ips\": []}'"), json::parse(R"({"ips": []})"));
}

TEST_F(DelegateTest, IsHeardInTheLogWhetherItFailsOrNot) {
    for (const char* end : {"exit 0", "echo '{\"code\": 7, \"msg\": \"no subnet\"}'; exit 1"}) {
        testing::internal::CaptureStderr();
        try {
            answer("echo noise >&2; " + std::string(end));
        } catch (const Failure& error) {
            EXPECT_EQ(error.code(), 7U);
        }
        EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr(who + "said \"noise\""))
            << end;
    }
}

TEST_F(DelegateTest, PassesItsErrorOnWithTheCode) {
    const Failure error =
        failure(R"(echo '{"code": 7, "msg": "no subnet", "details": "name one"}'; exit 1)");
    EXPECT_EQ(error.code(), 7U);
    EXPECT_EQ(error.what(), who + "failed: no subnet: name one");
}

TEST_F(DelegateTest, IsQuotedWhereItsErrorIsNone) {
    for (const auto& [lines, rest] : std::vector<std::pair<std::string, std::string>>{
             {"exit 1", "failed with exit status 1; it printed nothing"},
             {"echo oh no; exit 3", "failed with exit status 3; it printed \"oh no\""},
             {"echo out; echo err >&2; exit 1",
              "failed with exit status 1; it printed \"out\"; on standard error \"err\""},
             {"echo why >&2; kill -9 $$", "was ended by signal 9; on standard error \"why\""},
             {"echo '{\"msg\": \"no code\"}'; exit 1",
              "failed with exit status 1; it printed \"{\"msg\": \"no code\"}\""},
             {"echo '{\"code\": 0}'; exit 1",
              "failed with exit status 1; it printed \"{\"code\": 0}\""},
             {"echo '{\"code\": 4294967296}'; exit 1",
              "failed with exit status 1; it printed \"{\"code\": 4294967296}\""},
             {"echo '{\"code\": \"7\"}'; exit 1",
              "failed with exit status 1; it printed \"{\"code\": \"7\"}\""},
             {"echo '{\"ips\": ['", "did not answer in JSON; it printed \"{\"ips\": [\""}}) {
        const Failure error = failure(lines);
        EXPECT_EQ(error.code(), delegate_failed) << lines;
        EXPECT_EQ(error.what(), who + rest) << lines;
    }
}

TEST_F(DelegateTest, IsQuotedWhereItsErrorHasOnlyACode) {
    const Failure error = failure("echo '{\"code\": 7}'; echo why >&2; exit 1");
    EXPECT_EQ(error.code(), 7U);
    EXPECT_EQ(error.what(),
              who + "failed; it printed \"{\"code\": 7}\"; on standard error \"why\"");
}

TEST_F(DelegateTest, IsQuotedNoLongerThanAMessageBears) {
    const std::string what = failure("head -c 5000 /dev/zero | tr '\\0' x; exit 1").what();
    EXPECT_THAT(what, AllOf(HasSubstr("xxx"), EndsWith("x...\"")));
    EXPECT_LT(what.size(), 1'500U);
}

TEST_F(DelegateTest, ThatHangsIsKilledAndNamed) {
    const Failure error = failure("echo half; exec sleep 1000", milliseconds(200));
    EXPECT_EQ(error.code(), delegate_failed);
    EXPECT_EQ(error.what(), who + "was killed: it did not end within 1 s; it printed \"half\"");
}

TEST_F(DelegateTest, ThatPrintsWithoutEndIsKilledAndNamed) {
    const Failure error = failure("exec cat /dev/zero");
    EXPECT_EQ(error.code(), delegate_failed);
    EXPECT_THAT(error.what(), testing::StartsWith(who + "was killed: it printed more than 16 MiB"));
}

TEST_F(DelegateTest, ThatCannotBeStartedIsAFailureToo) {
    const std::string program = scripts.write("other", "");
    std::ofstream(program) << "#!/nowhere/interpreter\n";
    try {
        delegate().call(Verb::add, {});
        ADD_FAILURE();
    } catch (const Failure& error) {
        EXPECT_EQ(error.code(), delegate_failed);
        EXPECT_EQ(error.what(), "cannot run " + program + ": No such file or directory");
    }
}

} // namespace
} // namespace cni
