#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

// The order of the house: who may include whom, and what is in one place only.

namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;

/// What each room may include; itself always.
const std::map<std::string, std::set<std::string>> below{
    {"hash", {}},
    {"ip", {}},
    {"json", {}},
    {"ipam", {"hash", "ip"}},
    {"netlink", {"hash", "ip"}},
    {"mesh", {"hash", "ip", "json", "ipam", "netlink"}},
    {"cni", {"ip", "json"}},
    {"pods", {"hash", "ip", "ipam", "netlink", "cni"}},
    {"ipam_plugin", {"ip", "json", "ipam", "netlink", "cni"}},
    {"plugin", {"hash", "ip", "json", "ipam", "netlink", "mesh", "cni", "pods", "ipam_plugin"}},
    {"agent", {"hash", "ip", "json", "ipam", "netlink", "mesh", "cni", "pods", "plugin"}},
    {"ctl", {"hash", "ip", "json", "ipam", "netlink", "mesh", "cni", "pods"}},
};

struct Source {
    std::string path; ///< from the top of the project
    std::vector<std::string> lines;

    std::string room() const { return path.substr(0, path.find('/')); }
    bool is_header() const { return path.ends_with(".h"); }
    bool is_product() const { return room() != "test"; }
};

std::string code_of(const std::string& line) {
    return line.substr(0, line.find("//"));
}

Source read(const fs::path& file, const std::string& path) {
    Source source{path, {}};
    std::ifstream stream(file);
    for (std::string line; std::getline(stream, line);)
        source.lines.push_back(line);
    return source;
}

/// All C++ of the project, in order.
std::vector<Source> all_sources() {
    std::vector<Source> sources;
    const fs::path top = IPIP_SOURCE_DIR;
    for (const fs::directory_entry& room : fs::directory_iterator(top)) {
        const std::string name = room.path().filename();
        if (!room.is_directory() || name == "build" || name.starts_with('.'))
            continue;
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(room.path()))
            if (const auto extension = entry.path().extension();
                entry.is_regular_file() && (extension == ".cc" || extension == ".h"))
                sources.push_back(read(entry.path(), entry.path().lexically_relative(top)));
    }
    std::ranges::sort(sources, {}, &Source::path);
    return sources;
}

const std::vector<Source>& sources() {
    static const std::vector<Source> all = all_sources();
    return all;
}

/// What `#include` names in each line: `<netlink/msg.h>` with its brackets, `ip/cidr.h` without.
std::vector<std::string> includes(const Source& source) {
    static const std::regex directive(R"(^\s*#\s*include\s*(?:"([^"]+)\"|(<[^>]+>)).*)");
    std::vector<std::string> found;
    for (const std::string& line : source.lines)
        if (std::smatch match; std::regex_match(line, match, directive))
            found.push_back(match[1].matched ? match[1].str() : match[2].str());
    return found;
}

std::vector<std::string> files_that_include(const std::string& beginning) {
    std::vector<std::string> files;
    for (const Source& source : sources())
        if (source.is_product() &&
            std::ranges::any_of(includes(source), [&](const std::string& name) {
                return name.starts_with(beginning);
            }))
            files.push_back(source.path);
    return files;
}

TEST(Architecture, IsReadFromTheSources) {
    EXPECT_GT(sources().size(), 50U);
    EXPECT_FALSE(files_that_include("ip/").empty());
    EXPECT_FALSE(files_that_include("<netlink/").empty());
}

TEST(Architecture, HasArrowsThatPointDownOnly) {
    for (const Source& source : sources()) {
        if (!source.is_product())
            continue;
        const auto rule = below.find(source.room());
        if (rule == below.end()) {
            ADD_FAILURE() << source.path << " is in a room that no rule knows; add "
                          << source.room() << " to the table of this test";
            continue;
        }
        for (const std::string& name : includes(source)) {
            if (name.starts_with('<'))
                continue;
            const std::string other = name.substr(0, name.find('/'));
            if (name.find('/') == std::string::npos || !below.contains(other))
                ADD_FAILURE() << source.path << " includes \"" << name
                              << "\"; name the project's headers by their room, all others in <>";
            else if (other != source.room() && !rule->second.contains(other))
                ADD_FAILURE() << source.path << " includes \"" << name << "\"; " << source.room()
                              << " may not know " << other;
        }
    }
}

TEST(Architecture, EntersNamespacesInOneFileOnly) {
    std::vector<std::string> files;
    for (const Source& source : sources())
        if (source.is_product() && std::ranges::any_of(source.lines, [](const std::string& line) {
                return code_of(line).find("setns(") != std::string::npos;
            }))
            files.push_back(source.path);
    EXPECT_EQ(files, std::vector<std::string>{"netlink/netns.cc"})
        << "only netlink/netns.cc calls setns(2): speak through a netlink::Socket of the namespace";
}

TEST(Architecture, KeepsLibnlInTheNetlinkRoom) {
    for (const std::string& path : files_that_include("<netlink/")) {
        EXPECT_TRUE(path.starts_with("netlink/"))
            << path << " includes a header of libnl, which the netlink room alone may";
        EXPECT_TRUE(!path.ends_with(".h") || path == "netlink/message.h")
            << path << " is a header and includes one of libnl, which netlink/message.h alone may";
    }
}

TEST(Architecture, KeepsWhatIsSharedInsideOfTheNetlinkRoomThere) {
    const std::set<std::string> inside{"netlink/attributes.h", "netlink/message.h",
                                       "netlink/nft.h"};
    for (const std::string& header : inside)
        for (const std::string& path : files_that_include(header))
            EXPECT_TRUE(path.starts_with("netlink/") &&
                        (path.ends_with(".cc") || inside.contains(path)))
                << path << " includes " << header << ", which the room's own .cc files alone may";
}

TEST(Architecture, KeepsTheDatabaseInOneFile) {
    EXPECT_EQ(files_that_include("<lmdb.h>"), std::vector<std::string>{"ipam/database.cc"})
        << "only ipam/database.cc knows LMDB";
}

TEST(Architecture, SpeaksHttpInOneFile) {
    EXPECT_EQ(files_that_include("<curl/"), std::vector<std::string>{"agent/http_stream.cc"})
        << "only agent/http_stream.cc knows libcurl, and with it TLS";
}

TEST(Architecture, LogsInProgramsThroughOneFileOnly) {
    for (const std::string& path : files_that_include("<spdlog/"))
        EXPECT_EQ(path.substr(path.find('/')), "/log.cc")
            << path << " includes spdlog; say it through the program's log.h";
    for (const char* room : {"hash", "ip", "json", "ipam", "netlink", "mesh"})
        for (const std::string& path : files_that_include("<spdlog/"))
            EXPECT_FALSE(path.starts_with(std::string(room) + '/'))
                << path << " logs; only programs do, and libraries return or throw";
}

TEST(Architecture, HasNoRoomThatGrowsWithoutLimit) {
    const std::set<std::string> shapeless{"util",   "utils",   "utility", "utilities", "common",
                                          "helper", "helpers", "core",    "misc"};
    static const std::regex word("[A-Za-z]+");
    for (const Source& source : sources())
        for (auto at = std::sregex_iterator(source.path.begin(), source.path.end(), word);
             at != std::sregex_iterator(); ++at)
            EXPECT_FALSE(shapeless.contains(at->str()))
                << source.path << " is named \"" << at->str() << "\"; name it by what it does";
}

TEST(Architecture, HasNoFileThatAsksToBeTwo) {
    constexpr std::size_t most = 400;
    for (const Source& source : sources())
        EXPECT_LE(source.lines.size(), most)
            << source.path << " has " << source.lines.size() << " lines; make two of it";
}

} // namespace
