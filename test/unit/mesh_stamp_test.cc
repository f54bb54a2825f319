#include "mesh/stamp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace mesh {
namespace {

namespace fs = std::filesystem;

class StampTest : public testing::Test {
  protected:
    StampTest() {
        std::string name = (fs::temp_directory_path() / "stamp_test.XXXXXX").string();
        folder_ = mkdtemp(name.data());
    }
    ~StampTest() override { fs::remove_all(folder_); }

    void put(const std::string& text) const { std::ofstream(folder_ / stamp_name) << text; }
    std::string text() const {
        std::ostringstream all;
        all << std::ifstream(folder_ / stamp_name).rdbuf();
        return all.str();
    }

    fs::path folder_;
    const Stamp whole_{
        .network = "podnet",
        .fingerprint = "0123456789abcdef",
        .host = "48cc60f7-abdc-47ba-ba9a-cbfeeb61faef 4:4026531840",
        .self = {.name = "host1",
                 .addresses = {ip::Address::parse("172.16.5.126")},
                 .pod_cidrs = {ip::Cidr::parse("10.10.100.0/24"), ip::Cidr::parse("fd00:1::/64")},
                 .tunnel_addresses = {ip::Address::parse("10.10.100.10")}},
        .pod_mtu = 1480,
        .forwarding_turned_on = {"eth0", "eth1.7"},
        .doubted = true};
};

TEST_F(StampTest, IsReadAsItWasWritten) {
    write_stamp(folder_, whole_);
    const auto stamp = read_stamp(folder_);
    ASSERT_TRUE(stamp);
    EXPECT_EQ(stamp->network, whole_.network);
    EXPECT_EQ(stamp->fingerprint, whole_.fingerprint);
    EXPECT_EQ(stamp->host, whole_.host);
    EXPECT_EQ(to_json(stamp->self), to_json(whole_.self));
    EXPECT_EQ(stamp->pod_mtu, 1480U);
    EXPECT_EQ(stamp->forwarding_turned_on, whole_.forwarding_turned_on);
    EXPECT_TRUE(stamp->doubted);
}

TEST_F(StampTest, HasSomeOfTheWaysFromTheOneThatTheSeedNamesOn) {
    const auto ways = [](std::initializer_list<int> numbers) {
        std::vector<ip::Cidr> list;
        for (const int number : numbers)
            list.push_back(ip::Cidr::parse("10.0." + std::to_string(number) + ".0/24"));
        return list;
    };
    EXPECT_EQ(read_ways(folder_, 0, 8), std::nullopt);
    write_ways(folder_, {});
    EXPECT_EQ(read_ways(folder_, 7, 8), ways({}));
    write_ways(folder_, ways({0, 1, 2, 3, 4}));
    EXPECT_EQ(read_ways(folder_, 3, 4), ways({3, 4, 0, 1}));
    EXPECT_EQ(read_ways(folder_, 1, 4), ways({1, 2, 3, 4}));
    EXPECT_EQ(read_ways(folder_, 4, 9), ways({4, 0, 1, 2, 3}));
    EXPECT_EQ(read_ways(folder_, ~std::uint64_t{0}, 1), ways({0})); // 5 divides it
    std::fstream file(folder_ / ways_name);
    file.seekp(0).put('x');
    file.close();
    EXPECT_EQ(read_ways(folder_, 4, 2), std::nullopt);
    EXPECT_EQ(read_ways(folder_, 1, 4), ways({1, 2, 3, 4}));
}

TEST_F(StampTest, OfAReconciliationThatWasNotFinishedHasNoFingerprintAndNoNode) {
    write_stamp(folder_, {.network = "podnet",
                          .fingerprint = {},
                          .host = whole_.host,
                          .self = {},
                          .forwarding_turned_on = {}});
    const auto stamp = read_stamp(folder_);
    ASSERT_TRUE(stamp);
    EXPECT_EQ(stamp->fingerprint, "");
    EXPECT_EQ(stamp->self.name, "");
    EXPECT_FALSE(stamp->doubted);
}

TEST_F(StampTest, ThatIsCutShortIsNone) {
    write_stamp(folder_, whole_);
    const std::string all = text();
    for (std::size_t size = 0; size < all.size() - 1; ++size) {
        put(all.substr(0, size));
        EXPECT_FALSE(read_stamp(folder_)) << all.substr(0, size);
    }
}

TEST_F(StampTest, OfALaterVersionIsDoubtedAndTellsWhatToUndo) {
    Stamp sure = whole_;
    sure.doubted = false;
    write_stamp(folder_, sure);
    put("colour green\n" + text());
    const auto stamp = read_stamp(folder_);
    ASSERT_TRUE(stamp);
    EXPECT_TRUE(stamp->doubted);
    EXPECT_EQ(stamp->network, whole_.network);
    EXPECT_EQ(stamp->forwarding_turned_on, whole_.forwarding_turned_on);
}

TEST_F(StampTest, WithALineThatIsNotUnderstoodIsNone) {
    write_stamp(folder_, whole_);
    const std::string all = text();
    for (const char* line : {"address 1.2.3", "pod-cidr 10.0.0.0/33", "pod-mtu x", "pod-mtu 1480x",
                             "pod-mtu 4294967296", "tunnel-address", "{}", ""}) {
        put(line + ("\n" + all));
        EXPECT_FALSE(read_stamp(folder_)) << line;
    }
    put("end\n");
    EXPECT_FALSE(read_stamp(folder_));
}

} // namespace
} // namespace mesh
