#include "test/unit/plugin_call.h"

#include "plugin/program.h"

#include <gtest/gtest.h>

#include <sstream>

namespace plugin {

Get environment_of(Variables variables) {
    static Variables current;
    current = std::move(variables);
    return [](const char* name) -> const char* {
        const auto found = current.find(name);
        return found == current.end() ? nullptr : found->second.c_str();
    };
}

Variables add_variables(const Variables& changes) {
    Variables variables{{"CNI_COMMAND", "ADD"},
                        {"CNI_CONTAINERID", "c0ffee"},
                        {"CNI_NETNS", "/nowhere/at/all"},
                        {"CNI_IFNAME", "eth0"},
                        {"CNI_PATH", "/opt/cni/bin"}};
    for (const auto& [name, value] : changes) {
        variables.erase(name);
        if (!value.empty())
            variables.emplace(name, value);
    }
    return variables;
}

json::Value configuration(const std::string& replacements) {
    json::Value document = json::parse(R"({
        "cniVersion": "1.1.0", "name": "podnet", "type": "ipip", "stateDir": "/nowhere/at/all",
        "nodes": [
            {"name": "host1", "addresses": ["192.0.2.126"], "podCIDRs": ["10.10.100.0/24"]},
            {"name": "host2", "addresses": ["192.0.2.127"], "podCIDRs": ["10.10.200.0/24"]}]})");
    document.update(json::parse(replacements));
    return document;
}

json::Value Outcome::document() const {
    return json::Value::parse(output, nullptr, false);
}

unsigned Outcome::code() const {
    return document().value("code", 0U);
}

std::string Outcome::message() const {
    return document().value("msg", std::string("(no msg)"));
}

Outcome call(const Variables& variables, const std::string& input) {
    std::istringstream in(input);
    std::ostringstream out;
    testing::internal::CaptureStderr();
    Program program;
    const int status = cni::run(program, environment_of(variables), in, out);
    return {status, out.str(), testing::internal::GetCapturedStderr()};
}

} // namespace plugin
