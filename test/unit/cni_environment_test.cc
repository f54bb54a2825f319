#include "cni/environment.h"

#include "test/unit/plugin_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cni {
namespace {

using plugin::add_variables;
using plugin::environment_of;
using plugin::Variables;

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::StartsWith;

Environment read(const Variables& variables) {
    return read_environment(environment_of(variables));
}

std::string refused(const Variables& changes) {
    try {
        read(add_variables(changes));
    } catch (const EnvironmentError& error) {
        return error.what();
    }
    return "(no complaint)";
}

Variables del_variables(const Variables& changes = {}) {
    Variables variables = add_variables(changes);
    variables["CNI_COMMAND"] = "DEL";
    return variables;
}

TEST(Environment, OfAnAddIsRead) {
    const Environment environment = read(add_variables(
        {{"CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;"}}));
    EXPECT_EQ(environment.verb, Verb::add);
    EXPECT_EQ(environment.container_id, "c0ffee");
    EXPECT_EQ(environment.interface, "eth0");
    EXPECT_EQ(environment.netns, "/nowhere/at/all");
    EXPECT_THAT(environment.args,
                ElementsAre(Pair("IgnoreUnknown", "1"), Pair("K8S_POD_NAME", "web-0"),
                            Pair("K8S_POD_NAMESPACE", "default")));
    EXPECT_EQ(environment.requested, std::nullopt);
}

TEST(Environment, NeedsEachOfItsVariables) {
    const struct {
        const char* name;
        const char* mend;
    } table[] = {{"CNI_COMMAND", "set it to ADD, DEL, CHECK, GC, STATUS or VERSION"},
                 {"CNI_CONTAINERID", "set it to the container's unique identifier"},
                 {"CNI_IFNAME", "set it to the interface's name in the pod, such as eth0"},
                 {"CNI_NETNS", "set it to the path of the pod's network namespace"}};
    for (const auto& [name, mend] : table) {
        EXPECT_THAT(refused({{name, ""}}),
                    AllOf(StartsWith(std::string(name) + " is missing; "), HasSubstr(mend)));
        Variables empty = add_variables();
        empty[name] = "";
        EXPECT_THROW(read(empty), EnvironmentError) << name << " is there and empty";
    }
}

TEST(Environment, TakesNoCommandButItsOwn) {
    for (const char* command : {"add", "ADD ", "UPDATE", "ADD\n", "GC2"})
        EXPECT_THAT(refused({{"CNI_COMMAND", command}}),
                    AllOf(StartsWith("CNI_COMMAND: \""),
                          HasSubstr("is not ADD, DEL, CHECK, GC, STATUS or VERSION")));
    EXPECT_THAT(refused({{"CNI_COMMAND", "ADD\x1b[2J"}}), HasSubstr("\"ADD?[2J\""));
}

TEST(Environment, TakesAContainerIdOfTheSpecificationsForm) {
    for (const std::string& id : {std::string("a"), std::string("0"), std::string("A.b_c-9"),
                                  std::string(64, 'f'), std::string(240, 'x')})
        EXPECT_EQ(read(add_variables({{"CNI_CONTAINERID", id}})).container_id, id);
    for (const char* id : {"../../etc", "a/b", "/", "a b", " a", "a\n", "a\tb", "a\x01", "a\x7f",
                           "h\u00f4te", ".a", "-rf", "_a", "a;b", "a:b", "a%b", "a\\b"})
        EXPECT_THAT(refused({{"CNI_CONTAINERID", id}}),
                    AllOf(StartsWith("CNI_CONTAINERID: \""),
                          HasSubstr("must begin with a letter or digit")))
            << id;
    EXPECT_THAT(refused({{"CNI_CONTAINERID", std::string(241, 'x')}}),
                AllOf(StartsWith("CNI_CONTAINERID: \"" + std::string(60, 'x') + "...\""),
                      HasSubstr("has 241 characters; at most 240")));
}

TEST(Environment, TakesAnInterfaceNameThatTheKernelTakesAsItIs) {
    for (const char* name : {"eth0", "e", "net-1.5_x", "@home", "fifteen-letters"})
        EXPECT_EQ(read(add_variables({{"CNI_IFNAME", name}})).interface, name);
    for (const char* name : {"a/b", "a:b", "eth 0", "eth0\n", "\x01", "a\x7f", "\u00e9th0", ".",
                             "..", "eth%d", "%s", "all", "default"})
        EXPECT_THAT(refused({{"CNI_IFNAME", name}}),
                    AllOf(StartsWith("CNI_IFNAME: \""), HasSubstr("is no interface name"),
                          HasSubstr("use one such as eth0")))
            << name;
    EXPECT_THAT(refused({{"CNI_IFNAME", "sixteen-letters-"}}),
                AllOf(StartsWith("CNI_IFNAME: \"sixteen-letters-\" has 16 characters"),
                      HasSubstr("allows 15")));
    EXPECT_THAT(refused({{"CNI_IFNAME", "lo"}}),
                AllOf(StartsWith("CNI_IFNAME: \"lo\""), HasSubstr("use another name")));
}

TEST(Environment, ShowsNothingThatATerminalActsOn) {
    for (const char* name : {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_ARGS"}) {
        const std::string why = refused({{name, "\x1b[2J\a" + std::string(10'000, 'x')}});
        EXPECT_THAT(why, AllOf(StartsWith(name), HasSubstr("?[2J?")));
        EXPECT_LT(why.size(), 250U);
        EXPECT_EQ(why.find('\x1b'), std::string::npos);
    }
}

TEST(Environment, TakesArgumentsInPairs) {
    const auto args = [](const char* text) {
        return read(add_variables({{"CNI_ARGS", text}})).args;
    };
    EXPECT_THAT(args("K8S_POD_NAME="), ElementsAre(Pair("K8S_POD_NAME", "")));
    EXPECT_THAT(args("K8S_POD_NAME=a=b"), ElementsAre(Pair("K8S_POD_NAME", "a=b")));
    EXPECT_THAT(args("K8S_POD_NAME=a;K8S_POD_NAME=b"), ElementsAre(Pair("K8S_POD_NAME", "b")));
    for (const char* text : {"K8S_POD_NAME", "=x", ";", "IP=10.10.100.9;;", "garbage", "a;b=c"})
        EXPECT_THAT(refused({{"CNI_ARGS", text}}),
                    AllOf(StartsWith("CNI_ARGS: \""), HasSubstr("is not KEY=VALUE")))
            << text;
}

TEST(Environment, TakesUnknownArgumentsOnlyWhereTheyAreToBeIgnored) {
    EXPECT_THAT(refused({{"CNI_ARGS", "COLOUR=red"}}),
                AllOf(StartsWith("CNI_ARGS: \"COLOUR\" is unknown"), HasSubstr("IgnoreUnknown=1")));
    EXPECT_THAT(refused({{"CNI_ARGS", "COLOUR=red;IgnoreUnknown=0"}}), HasSubstr("COLOUR"));
    for (const char* yes : {"1", "true", "True", "TRUE"})
        EXPECT_EQ(
            read(add_variables({{"CNI_ARGS", std::string("COLOUR=red;IgnoreUnknown=") + yes}}))
                .args.at("COLOUR"),
            "red");
}

TEST(Environment, TakesAnAddressThatThePodIsToHave) {
    for (const char* text :
         {"IP=10.10.100.20", "IP=10.10.100.20/24", "IgnoreUnknown=1;IP=10.10.100.20"})
        EXPECT_EQ(read(add_variables({{"CNI_ARGS", text}})).requested,
                  ip::Address::parse("10.10.100.20"));
    EXPECT_EQ(read(add_variables({{"CNI_ARGS", "IP="}})).requested, std::nullopt);
    for (const char* text : {"IP=10.10.100", "IP=web-0", "IP=10.10.100.20,10.10.100.21"})
        EXPECT_THAT(refused({{"CNI_ARGS", text}}),
                    AllOf(StartsWith("CNI_ARGS: IP=\""), HasSubstr("write one such as")));
}

TEST(Environment, TakesAMacAddressThatThePodIsToHave) {
    EXPECT_EQ(read(add_variables({{"CNI_ARGS", "MAC=02:42:ac:11:00:02"}})).mac,
              ip::Mac::parse("02:42:ac:11:00:02"));
    EXPECT_EQ(read(add_variables({{"CNI_ARGS", "MAC="}})).mac, std::nullopt);
    EXPECT_THAT(refused({{"CNI_ARGS", "MAC=02:42"}}),
                AllOf(StartsWith("CNI_ARGS: MAC=\""), HasSubstr("write one such as")));
}

TEST(Environment, OfADelNeedsNeitherNamespaceNorArguments) {
    for (const char* args : {"", "garbage", "COLOUR=red", "IP=web-0", ";;;"}) {
        const Environment environment =
            read(del_variables({{"CNI_NETNS", ""}, {"CNI_ARGS", args}}));
        EXPECT_EQ(environment.verb, Verb::del);
        EXPECT_EQ(environment.container_id, "c0ffee");
        EXPECT_EQ(environment.interface, "eth0");
        EXPECT_THAT(environment.args, IsEmpty());
        EXPECT_EQ(environment.netns, std::nullopt);
    }
}

TEST(Environment, OfADelNeedsThePodsIdentityAllTheSame) {
    EXPECT_THROW(read(del_variables({{"CNI_CONTAINERID", ""}})), EnvironmentError);
    EXPECT_THROW(read(del_variables({{"CNI_CONTAINERID", "../x"}})), EnvironmentError);
    EXPECT_THROW(read(del_variables({{"CNI_IFNAME", ""}})), EnvironmentError);
    EXPECT_THROW(read(del_variables({{"CNI_IFNAME", "a/b"}})), EnvironmentError);
}

TEST(Environment, OfACheckIsThatOfAnAdd) {
    const Environment environment =
        read(add_variables({{"CNI_COMMAND", "CHECK"}, {"CNI_ARGS", "IP=10.10.100.20"}}));
    EXPECT_EQ(environment.verb, Verb::check);
    EXPECT_EQ(environment.netns, "/nowhere/at/all");
    EXPECT_EQ(environment.requested, ip::Address::parse("10.10.100.20"));
    for (const char* name : {"CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"})
        EXPECT_THAT(refused({{"CNI_COMMAND", "CHECK"}, {name, ""}}),
                    StartsWith(std::string(name) + " is missing; "));
}

TEST(Environment, OfTheWholeNetworksVerbsNamesNoContainer) {
    EXPECT_EQ(read({{"CNI_COMMAND", "GC"}}).verb, Verb::gc);
    EXPECT_EQ(read({{"CNI_COMMAND", "STATUS"}, {"CNI_ARGS", "garbage"}}).verb, Verb::status);
}

TEST(Environment, ListsTheDirectoriesOfPlugins) {
    EXPECT_THAT(read(add_variables({{"CNI_PATH", "/opt/cni/bin::/usr/lib/cni:"}})).path,
                ElementsAre("/opt/cni/bin", "/usr/lib/cni"));
    EXPECT_THAT(read(add_variables({{"CNI_PATH", ""}})).path, IsEmpty());
}

TEST(Environment, OfADelHasItsNamespaceWhereTheRuntimeStillHasIt) {
    EXPECT_EQ(read(del_variables()).netns, "/nowhere/at/all");
}

TEST(Environment, NamesItsVerbsAsTheRuntimeDoes) {
    for (const char* verb : {"ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"})
        EXPECT_EQ(name(read(add_variables({{"CNI_COMMAND", verb}})).verb), verb);
}

TEST(Environment, OfAVersionNeedsNothingElse) {
    EXPECT_EQ(read({{"CNI_COMMAND", "VERSION"}}).verb, Verb::version);
    EXPECT_EQ(
        read({{"CNI_COMMAND", "VERSION"}, {"CNI_IFNAME", "a/b"}, {"CNI_ARGS", "garbage"}}).verb,
        Verb::version);
}

} // namespace
} // namespace cni
