#include "ipam/boot_file.h"
#include "ipam/store.h"
#include "test/fuzz/expect.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

// A file of leases with bytes of it changed (or of which nothing is right): whatever is done with
// it ends in an answer or an error of a known kind, nobody gets what the file itself says is
// another's, and the file can be made anew. The first byte says how many pages of a whole file it
// is; then come changes: page, two bytes of place, number of bytes, the bytes. None of a whole
// file: the rest is it.

namespace {

namespace fs = std::filesystem;
using ipam::Owner;
using ipam::Store;

constexpr int many = 200; // leases: pages that lead to pages

const ipam::RangeSet addresses{ipam::usable(ip::Cidr::parse("10.0.0.0/16"))};

Owner owner(int number) {
    return {"pods", "container" + std::to_string(number), "eth0"};
}

/// A directory of its own, and in it this boot's file as it should be.
struct Scene {
    Scene() {
        std::string name = "/dev/shm/fuzz_leases.XXXXXX"; // memory, as /run is
        directory = ::mkdtemp(name.data());
        Store store(directory);
        for (int i = 0; i < many; ++i)
            store.allocate(owner(i), {.sets = {addresses}});
        for (int i = 1; i < many; i += 3)
            store.release(owner(i));
        for (const auto& entry : fs::directory_iterator(directory))
            file = entry.path();
        std::ifstream stream(file, std::ios::binary);
        whole.assign(std::istreambuf_iterator<char>(stream), {});
    }
    ~Scene() { fs::remove_all(directory); }

    fs::path directory;
    fs::path file;
    std::string whole;
};

const Scene& scene() {
    static const Scene made;
    return made;
}

std::string changed(std::string_view input) {
    constexpr std::size_t page = 4096;
    const std::size_t pages = static_cast<unsigned char>(input.front());
    input.remove_prefix(1);
    if (pages == 0)
        return std::string(input);
    std::string content = scene().whole.substr(0, pages * page);
    while (input.size() > 4) {
        const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(input[at]); };
        const std::size_t at = byte(0) % (content.size() / page) * page + byte(1) +
                               static_cast<std::size_t>(byte(2) % 16) * 256;
        const std::string_view bytes = input.substr(4, 1 + byte(3) % 16);
        const std::size_t fitting = std::min(bytes.size(), content.size() - at);
        std::copy_n(bytes.begin(), fitting, content.begin() + static_cast<std::ptrdiff_t>(at));
        input.remove_prefix(4 + bytes.size());
    }
    return content;
}

/// In place: the file keeps its inode, as when something else writes to it.
void become(const std::string& content) {
    const int fd = ::open(scene().file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    expect(::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()),
           "there is room for the file");
    ::close(fd);
}

void expect_known(const ipam::StoreError& error) {
    const std::string_view sentence = error.what();
    expect(sentence.find(scene().file.native()) != sentence.npos, "the error names the file");
    constexpr std::array causes{"MDB_MAP_FULL", "MDB_BAD_TXN", "too large", "allocate memory"};
    expect(std::ranges::any_of(
               causes, [&](const char* cause) { return sentence.find(cause) != sentence.npos; }),
           "damage is called so: " + std::string(sentence));
}

/// The damage that `call` met with a store that is opened for it; none where it met none.
std::optional<ipam::DamagedStore> attempt(const std::function<void(Store&)>& call) {
    try {
        Store store(scene().directory);
        call(store);
    } catch (const ipam::DamagedStore& damage) {
        expect(std::string_view(damage.what()).find(scene().file.native()) !=
                   std::string_view::npos,
               "the error names the file");
        expect(damage.inode() != 0, "the damaged file is known");
        return damage;
    } catch (const ipam::Exhausted&) {   // no address seems free
    } catch (const ipam::Unavailable&) { // nor that one
    } catch (const ipam::StoreError& error) {
        expect_known(error);
    }
    return std::nullopt;
}

/// Whoever is new gets what nobody has, as far as the file says who has what.
void expect_apart(Store& store) {
    const std::vector<ipam::Lease> before = store.leases("pods");
    std::set<ip::Address> given;
    for (int i = many; i < many + 3; ++i) {
        const ip::Address address =
            store.allocate(owner(i), {.sets = {addresses}}).addresses.front();
        expect(ipam::contains(addresses.front(), address), "an address is of the range");
        expect(given.insert(address).second, "each gets another");
        expect(std::ranges::find(before, address, &ipam::Lease::address) == before.end(),
               "nobody gets another's " + address.to_string());
    }
}

void rebuild(const ipam::DamagedStore& damage) {
    const std::vector<ipam::Lease> known{
        {ip::Address::parse("10.0.0.5"), owner(1), ipam::boot_time()},
        {ip::Address::parse("10.0.0.6"), owner(2), ipam::boot_time()}};
    const auto kept = ipam::rebuild(scene().directory, damage, known);
    expect(kept.has_value(), "a damaged file is made anew");
    expect(Store(scene().directory).leases("pods").size() == known.size(), "with what is known");
    fs::remove(*kept);
}

/// What a fault inside of LMDB loses on purpose, a program would lose once: address space of a
/// gigabyte, of which this one has not so many.
void forget_lost_maps() {
    std::ifstream maps("/proc/self/maps");
    std::vector<std::pair<std::uintptr_t, std::uintptr_t>> lost;
    for (std::string line; std::getline(maps, line);)
        if (line.find(scene().directory.native()) != std::string::npos) {
            std::size_t dash = 0;
            const std::uintptr_t begin = std::stoull(line, &dash, 16);
            lost.emplace_back(begin, std::stoull(line.substr(dash + 1), nullptr, 16));
        }
    for (const auto& [begin, end] : lost)
        ::munmap(reinterpret_cast<void*>(begin), end - begin); // NOLINT: a number in the file
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::string content = changed({reinterpret_cast<const char*>(data), size});
    const std::array<std::function<void(Store&)>, 8> calls{
        [](Store& store) { store.leases("pods"); },
        [](Store& store) { store.find(owner(7)); },
        [](Store& store) { store.find("pods", ip::Address::parse("10.0.0.99")); },
        [](Store& store) { store.empty("pods"); },
        [](Store& store) { store.require_free("pods", {addresses}); },
        [](Store& store) {
            store.allocate(owner(many + 5),
                           {.sets = {addresses}, .requested = {ip::Address::parse("10.0.0.99")}});
        },
        expect_apart,
        [](Store& store) { store.release(owner(9)); },
    };
    std::optional<ipam::DamagedStore> damage;
    become(content);
    for (const auto& call : calls)
        if (auto found = attempt(call))
            damage = std::move(found);
    if (damage) {
        rebuild(*damage);
        forget_lost_maps();
    }
    return 0;
}
