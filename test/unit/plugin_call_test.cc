#include "test/unit/plugin_call.h"

#include "plugin/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

// Whole calls of the plugin, as far as they end before the kernel is asked for anything.

namespace plugin {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

const Variables version_variables{{"CNI_COMMAND", "VERSION"}};

json::Value versions(const std::string& input) {
    const Outcome outcome = call(version_variables, input);
    EXPECT_EQ(outcome.status, 0) << outcome.output;
    return outcome.document();
}

TEST(Run, AnswersVersionWithAllThatItServes) {
    const json::Value all{"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
    const json::Value current{{"cniVersion", "1.1.0"}, {"supportedVersions", all}};
    EXPECT_EQ(versions(""), current);
    EXPECT_EQ(versions("{}"), current);
    EXPECT_EQ(versions(R"({"cniVersion": "1.1.0"})"), current);
    EXPECT_EQ(versions(R"({"cniVersion": "0.4.0", "name": 5})"),
              (json::Value{{"cniVersion", "0.4.0"}, {"supportedVersions", all}}));
}

TEST(Run, AnswersVersionAlsoWhereStandardInputIsClosed) {
    Program program;
    testing::internal::CaptureStdout();
    EXPECT_EQ(cni::run(program, environment_of(version_variables), -1, STDOUT_FILENO), 0);
    EXPECT_THAT(testing::internal::GetCapturedStdout(), testing::HasSubstr("supportedVersions"));
}

TEST(Run, SaysWhyStandardInputCannotBeRead) {
    Program program;
    const int directory = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    testing::internal::CaptureStdout();
    EXPECT_EQ(cni::run(program, environment_of(version_variables), directory, STDOUT_FILENO), 1);
    ::close(directory);
    EXPECT_THAT(
        testing::internal::GetCapturedStdout(),
        testing::HasSubstr("cannot read the configuration from standard input: Is a directory"));
}

TEST(Run, RefusesVersionOfWhatIsNoConfiguration) {
    EXPECT_EQ(call(version_variables, "garbage").code(), 6U);
    EXPECT_EQ(call(version_variables, "[]").code(), 7U);
    EXPECT_EQ(call(version_variables, R"({"cniVersion": 1})").code(), 7U);
}

/// That the call failed as the specification has it: one document with exactly these keys.
void expect_error(const Outcome& outcome, unsigned code, const std::string& version) {
    EXPECT_EQ(outcome.status, 1);
    const json::Value document = outcome.document();
    ASSERT_TRUE(document.is_object()) << outcome.output;
    EXPECT_EQ(document.size(), 3U) << outcome.output;
    EXPECT_EQ(document.value("cniVersion", ""), version) << outcome.output;
    EXPECT_EQ(document.value("code", 0U), code) << outcome.output;
    EXPECT_TRUE(document.at("msg").is_string());
    EXPECT_THAT(outcome.output, EndsWith("}\n"));
    const std::string message = outcome.message(); // in the log with the bytes that came in
    EXPECT_THAT(outcome.log,
                AllOf(HasSubstr("error"), HasSubstr(message.substr(0, message.find("\ufffd")))));
}

TEST(Run, RefusesWhatIsNotJson) {
    const struct {
        const char* input;
        const char* message;
    } table[] = {
        {"", "standard input is empty; pass the network configuration as JSON"},
        {" \n\t\r\n", "standard input is empty; pass the network configuration as JSON"},
        {"podnet", "standard input is not JSON: parse error at line 1, column 1"},
        {"{", "standard input is not JSON: parse error at line 1, column 2"},
        {"{}{}", "standard input is not JSON: parse error at line 1, column 3"},
        {"{\"mtu\": 1e999}", "standard input is not JSON: number overflow"},
        {"{\"name\": \"\xff\"}", "standard input is not JSON: "},
        {"\xff\xfe{", "standard input is not JSON: "},
    };
    for (const auto& [input, message] : table) {
        const Outcome outcome = call(add_variables(), input);
        expect_error(outcome, 6, "1.1.0");
        EXPECT_THAT(outcome.message(), StartsWith(message)) << input;
    }
    expect_error(call(add_variables(), std::string("\0\0", 2)), 6, "1.1.0");
    expect_error(call(add_variables(), std::string(100'000, '[')), 6, "1.1.0");
}

TEST(Run, RefusesMoreInputThanAnyClusterNeeds) {
    const Outcome outcome = call(add_variables(), std::string((64U << 20) + 4096, ' '));
    expect_error(outcome, 6, "1.1.0");
    EXPECT_THAT(outcome.message(), HasSubstr("more than 64 MiB"));
}

TEST(Run, RefusesAConfigurationThatIsNoObject) {
    for (const char* input : {"[]", "5", "\"podnet\"", "null", "true"}) {
        const Outcome outcome = call(add_variables(), input);
        expect_error(outcome, 7, "1.1.0");
        EXPECT_EQ(outcome.message(), "the document: " + std::string(input) + " is not an object");
    }
}

TEST(Run, RefusesAVersionThatItDoesNotServe) {
    for (const char* command : {"ADD", "DEL"}) {
        const Outcome outcome = call(add_variables({{"CNI_COMMAND", command}}),
                                     configuration(R"({"cniVersion": "9.0.0"})").dump());
        expect_error(outcome, 1, "1.1.0");
        EXPECT_THAT(outcome.message(),
                    StartsWith("cniVersion: \"9.0.0\" is not served; use one of"));
    }
}

TEST(Run, AnswersAnErrorInTheVersionOfTheConfiguration) {
    for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"})
        expect_error(call(add_variables(), configuration(R"({"mtu": -1, "cniVersion": ")" +
                                                         std::string(version) + "\"}")
                                               .dump()),
                     7, version);
    expect_error(call(add_variables(), configuration(R"({"mtu": -1, "cniVersion": null})").dump()),
                 7, "0.1.0");
}

TEST(Run, RefusesAnEnvironmentBeforeItReadsAnything) {
    for (const char* name : {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"}) {
        const Outcome outcome = call(add_variables({{name, ""}}), "garbage");
        expect_error(outcome, 4, "1.1.0");
        EXPECT_THAT(outcome.message(), StartsWith(std::string(name) + " is missing; "));
    }
    for (const char* name : {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_ARGS"}) {
        const Outcome outcome = call(add_variables({{name, "a/b\xff"}}), configuration().dump());
        expect_error(outcome, 4, "1.1.0");
        EXPECT_THAT(outcome.message(), StartsWith(std::string(name) + ": \"a/b?\""));
    }
}

TEST(Run, RefusesANamespaceThatIsNone) {
    const std::string own = "/proc/self/ns/net";
    const struct {
        std::string path;
        const char* why;
    } table[] = {{"/nowhere/at/all", "\"/nowhere/at/all\" does not exist"},
                 {"/dev/null", "\"/dev/null\" is not a network namespace"},
                 {"/proc/self/ns/mnt", "\"/proc/self/ns/mnt\" is not a network namespace"},
                 {"/tmp", "\"/tmp\" is not a network namespace"},
                 {own, "is the host's own network namespace"}};
    for (const auto& [path, why] : table) {
        const Outcome outcome = call(add_variables({{"CNI_NETNS", path}}), configuration().dump());
        expect_error(outcome, 4, "1.1.0");
        EXPECT_THAT(outcome.message(),
                    AllOf(StartsWith("CNI_NETNS: "), HasSubstr(why),
                          HasSubstr("pass the path of the pod's network namespace")));
    }
}

TEST(Run, WarnsOfUnknownKeysAndGoesOn) {
    const Outcome outcome =
        call(add_variables(), configuration(R"({"brigde": "cni0", "logLevel": "warning"})").dump());
    expect_error(outcome, 4, "1.1.0"); // for the namespace that is not there
    EXPECT_THAT(outcome.log, AllOf(HasSubstr("warning"),
                                   HasSubstr("brigde: is an unknown key and has no effect")));
}

TEST(Run, WritesItsLogWhereItIsTold) {
    std::string path = testing::TempDir() + "ipip-run-test-XXXXXX";
    const int file = ::mkstemp(path.data());
    ASSERT_GE(file, 0);
    ::close(file);
    const auto call_with = [&](const json::Value& log_file) {
        json::Value document = configuration(R"({"brigde": "cni0"})");
        document["logFile"] = log_file;
        return call(add_variables(), document.dump());
    };
    const Outcome to_file = call_with(path);
    EXPECT_EQ(to_file.log, "");
    EXPECT_EQ(to_file.code(), 4U);
    const Outcome to_standard_error = call_with("");
    EXPECT_THAT(to_standard_error.log, HasSubstr("brigde"));
    std::string text(10'000, '\0');
    const int reader = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    text.resize(
        static_cast<std::size_t>(std::max<ssize_t>(::read(reader, text.data(), text.size()), 0)));
    ::close(reader);
    ::unlink(path.c_str());
    EXPECT_THAT(text, AllOf(HasSubstr("brigde"), HasSubstr(to_file.message())));
}

TEST(Run, RefusesADelOfAConfigurationWithoutIdentity) {
    const Variables variables = add_variables({{"CNI_COMMAND", "DEL"}, {"CNI_NETNS", ""}});
    for (const auto& [replacements, message] :
         {std::pair(R"({"name": null})", "name: is missing"),
          std::pair(R"({"name": "a/b"})", "name: \"a/b\""),
          std::pair(R"({"stateDir": "run"})", "stateDir: \"run\"")}) {
        const Outcome outcome = call(variables, configuration(replacements).dump());
        expect_error(outcome, 7, "1.1.0");
        EXPECT_THAT(outcome.message(), StartsWith(message));
    }
    expect_error(call(variables, ""), 6, "1.1.0");
}

TEST(Run, QuotesNothingThatIsNotUtf8) {
    const Outcome outcome =
        call(add_variables({{"CNI_NETNS", "/nowhere/\xff\xfe"}}), configuration().dump());
    expect_error(outcome, 4, "1.1.0");
    EXPECT_THAT(outcome.message(), HasSubstr("\"/nowhere/\ufffd\ufffd\""));
    EXPECT_THAT(outcome.log, HasSubstr("\"/nowhere/\\xff\\xfe\""));
}

} // namespace
} // namespace plugin
