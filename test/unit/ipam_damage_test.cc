#include "ipam/boot_file.h"
#include "test/unit/ipam_lease_scene.h"

#include <fstream>
#include <iterator>
#include <random>

namespace ipam {
namespace {

using testing::AnyOf;

constexpr int many = 200; // leases: pages that lead to pages
constexpr std::size_t page_size = 4096;

class DamagedLeases : public LeaseStore {
  protected:
    void SetUp() override {
        Store leases = store();
        for (int i = 0; i < many; ++i)
            leases.allocate(owner(i), {.sets = {set("10.0.0.0/16")}});
        std::ifstream stream(file(), std::ios::binary);
        whole_.assign(std::istreambuf_iterator<char>(stream), {});
    }

    void become(const std::string& content) const {
        std::ofstream(file(), std::ios::binary | std::ios::trunc) << content;
    }

    /// All that can be asked of a store, each with a fresh opening. Returns how much of it threw
    /// DamagedStore; what else it throws fails the test, unless damage may look so.
    int complaints() const {
        int count = 0;
        const auto attempt = [&](const auto& call) {
            try {
                Store leases = store();
                call(leases);
            } catch (const DamagedStore& damage) {
                ++count;
                EXPECT_THAT(damage.what(), HasSubstr(directory_.native()));
                EXPECT_NE(damage.inode(), 0U);
            } catch (const Exhausted&) {        // no address seems free
            } catch (const StoreError& error) { // or a page is sought far off
                EXPECT_THAT(error.what(), AnyOf(HasSubstr("MDB_MAP_FULL"), HasSubstr("too large"),
                                                HasSubstr("allocate memory")));
            }
        };
        attempt([](Store& leases) { leases.leases("pods"); });
        attempt([](Store& leases) { leases.find(owner(7)); });
        attempt([](Store& leases) { leases.find("pods", Address::parse("10.0.0.99")); });
        attempt([](Store& leases) { leases.empty("pods"); });
        attempt([](Store& leases) { leases.require_free("pods", {set("10.0.0.0/16")}); });
        attempt([](Store& leases) {
            leases.allocate(owner(many + 1), {.sets = {set("10.0.0.0/16")}});
        });
        attempt([](Store& leases) { leases.release(owner(9)); });
        return count;
    }

    std::string whole_;
};

TEST_F(DamagedLeases, AreNoComplaintWhereWhole) {
    EXPECT_EQ(complaints(), 0);
}

TEST_F(DamagedLeases, AreFoundWhereverTheFileEnds) {
    for (std::size_t size = 0; size < whole_.size(); size += 1000) {
        become(whole_.substr(0, size));
        if (complaints() == 0) { // nothing was lost, and one was taken and one released
            EXPECT_EQ(store().leases("pods").size(), static_cast<std::size_t>(many)) << size;
        }
    }
}

TEST_F(DamagedLeases, AreFoundInAFileOfAnything) {
    become(std::string(whole_.size(), '\0'));
    EXPECT_EQ(complaints(), 7);
    become("a file of somebody's");
    EXPECT_EQ(complaints(), 7);
    std::string behind_the_headers = whole_;
    std::fill(behind_the_headers.begin() + 8192, behind_the_headers.end(), '\xff');
    become(behind_the_headers);
    EXPECT_GT(complaints(), 0);
}

// Random bytes in each page by turns; where they are, nobody may look.
TEST_F(DamagedLeases, NeverCrashWhoReadsThem) {
    std::minstd_rand random(94);
    int complained = 0;
    for (int round = 0; round < 200; ++round) {
        std::string content = whole_;
        const std::size_t page = static_cast<std::size_t>(round) % (content.size() / 4096) * 4096;
        const std::size_t bytes = 1 + random() % 64;
        for (std::size_t i = 0; i < bytes; ++i)
            content[page + random() % 4096] = static_cast<char>(random());
        become(content);
        complained += complaints();
    }
    EXPECT_GT(complained, 0);
}

// LMDB believes what stands in a page, and wrote behind the memory of its copy.
TEST_F(DamagedLeases, AreFoundBeforeLmdbWritesOverOtherMemory) {
    struct Field {
        const char* name;
        std::size_t place; ///< in each page
    };
    for (const auto& [name, place] : std::initializer_list<Field>{
             {"number", 0}, {"flags", 10}, {"lower end", 12}, {"upper end", 14}, {"node", 16}}) {
        int found = 0;
        for (std::size_t page = 2 * page_size; page < whole_.size(); page += page_size) {
            std::string content = whole_;
            content[page + place] = static_cast<char>(content[page + place] ^ 0x41);
            become(content);
            const int complained = complaints();
            EXPECT_THAT(complained, AnyOf(0, 7)) << name << " of page " << page / page_size;
            found += complained / 7;
        }
        EXPECT_GT(found, 0) << name;
    }
}

// The two pages at the beginning, of which the newer counts.
TEST_F(DamagedLeases, AreFoundInTheHeaders) {
    for (std::size_t place = 16; place < 152; ++place) {
        std::string content = whole_;
        for (const std::size_t page : {std::size_t{0}, page_size})
            content[page + place] = static_cast<char>(content[page + place] ^ 0x41);
        become(content);
        complaints();
    }
}

TEST_F(DamagedLeases, AreTakenForNoneWhateverHappenedToThem) {
    std::minstd_rand random(94);
    Store leases = store();
    for (int step = 0; step < 3000; ++step) {
        const Owner who = owner(static_cast<int>(random() % 400), random() % 4 ? "pods" : "others");
        if (random() % 2 == 0)
            leases.allocate(who, {.sets = {set("10.0.0.0/16"), set("fd00::/64")}});
        else
            leases.release(who);
    }
    EXPECT_FALSE(leases.leases("pods").empty());
    const Database database(root_ / "large");
    for (int size = 100; size < 40'000; size += 3'000) { // values with pages of their own
        Transaction transaction(database, Transaction::Mode::write);
        transaction.put("v", std::string(static_cast<std::size_t>(size), 'v'));
        transaction.commit();
    }
    EXPECT_EQ(Transaction(database, Transaction::Mode::read).get("v")->size(), 39'100U);
}

class RebuiltLeases : public DamagedLeases {
  protected:
    DamagedStore damage() const {
        try {
            store();
        } catch (const DamagedStore& found) {
            return found;
        }
        throw std::logic_error("the store is whole");
    }

    const std::vector<Lease> known_{{Address::parse("10.0.0.5"), owner(1), boot_time()},
                                    {Address::parse("fd00::5"), owner(1), boot_time()},
                                    {Address::parse("10.0.0.6"), owner(2), boot_time()}};
};

TEST_F(RebuiltLeases, AreThoseThatAreKnown) {
    become("broken");
    const auto kept = rebuild(directory_, damage(), known_);
    ASSERT_TRUE(kept);
    EXPECT_EQ(*kept, file().native() + ".broken");
    std::string content;
    std::getline(std::ifstream(*kept), content);
    EXPECT_EQ(content, "broken");
    Store leases = store();
    EXPECT_THAT(leases.find(owner(1)),
                ElementsAre(Address::parse("10.0.0.5"), Address::parse("fd00::5")));
    EXPECT_EQ(leases.leases("pods").size(), 3U);
    EXPECT_TRUE(is_lease_file(fs::path(*kept).filename().native()));
    EXPECT_EQ(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()), 2);
}

TEST_F(RebuiltLeases, AreLeftAloneByTheNext) {
    become("broken");
    const DamagedStore found = damage();
    ASSERT_TRUE(rebuild(directory_, found, known_));
    EXPECT_EQ(rebuild(directory_, found, {}), std::nullopt);
    EXPECT_EQ(store().leases("pods").size(), 3U);
}

TEST_F(RebuiltLeases, TakeNothingFromWhoOpenedThoseBefore) {
    Store before = store();
    const std::string content = whole_;
    become("broken");
    const DamagedStore found = damage();
    become(content);
    ASSERT_TRUE(rebuild(directory_, found, known_));
    EXPECT_THROW(before.allocate(owner(3), {.sets = {six}}), DamagedStore);
    EXPECT_THROW(before.release(owner(1)), DamagedStore);
    EXPECT_EQ(store().leases("pods").size(), 3U);
}

TEST_F(RebuiltLeases, GoWithTheBoot) {
    become("broken");
    ASSERT_TRUE(rebuild(directory_, damage(), known_));
    const fs::path old = directory_ / "leases-11111111-2222-3333-4444-555555555555.mdb.broken";
    std::ofstream(old) << "old";
    fs::remove(file());
    store();
    EXPECT_FALSE(fs::exists(old));
}

} // namespace
} // namespace ipam
