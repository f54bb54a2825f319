#include "test/unit/plugin_call.h"

#include "netlink/fd.h"
#include "plugin/program.h"

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

namespace plugin {

namespace {

netlink::Fd memory_file(const std::string& content) {
    netlink::Fd file(::memfd_create("call", MFD_CLOEXEC));
    EXPECT_EQ(::pwrite(file.get(), content.data(), content.size(), 0),
              static_cast<ssize_t>(content.size()));
    return file;
}

std::string content_of(const netlink::Fd& file) {
    std::string content(static_cast<std::size_t>(::lseek(file.get(), 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(file.get(), content.data(), content.size(), 0),
              static_cast<ssize_t>(content.size()));
    return content;
}

} // namespace

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
    const netlink::Fd in = memory_file(input);
    const netlink::Fd out = memory_file("");
    testing::internal::CaptureStderr();
    Program program;
    const int status = cni::run(program, environment_of(variables), in.get(), out.get());
    return {status, content_of(out), testing::internal::GetCapturedStderr()};
}

} // namespace plugin
