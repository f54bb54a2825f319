#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <string>

namespace {

std::string read(const std::string& path) {
    std::ifstream file(std::string(IPIP_SOURCE_DIR) + '/' + path);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Conformance, IsHeldByTestsThatExist) {
    const std::string page = read("docs/conformance.md");
    static const std::regex name(R"(`(\w+/\w+_test): (\w+)\.(\w+)`)");
    std::size_t count = 0;
    for (auto at = std::sregex_iterator(page.begin(), page.end(), name);
         at != std::sregex_iterator(); ++at, ++count) {
        const std::string path = "test/" + at->str(1) + ".cc";
        const std::string title = '(' + at->str(2) + ", " + at->str(3) + ')';
        EXPECT_NE(read(path).find(title), std::string::npos) << path << " has no test " << title;
    }
    EXPECT_GT(count, 70U) << "the page has another form than this test expects";
}

} // namespace
