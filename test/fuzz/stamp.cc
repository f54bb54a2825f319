#include "mesh/stamp.h"
#include "test/fuzz/expect.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

// What an ADD finds beside the leases, of this version or another, whole or not: the mesh's stamp
// and the ways to its peers. Whatever they hold, they are read or they are not there; and what was
// read is written as it is read again. The first byte says where in the ways to begin, the rest is
// in both files.

namespace {

namespace fs = std::filesystem;

/// In memory, as /run is.
struct Directory {
    Directory() { expect(::mkdtemp(name.data()) != nullptr, "there is room for a directory"); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() { fs::remove_all(name); }
    std::string name = "/dev/shm/fuzz_stamp.XXXXXX";
};

fs::path directory() {
    static const Directory made;
    return made.name;
}

void put(const char* name, std::string_view content) {
    std::ofstream(directory() / name, std::ios::binary) << content;
}

std::string stamp_file() {
    std::ifstream file(directory() / mesh::stamp_name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void expect_stamp_lasts() {
    const auto stamp = mesh::read_stamp(directory());
    if (!stamp)
        return;
    expect(!stamp->host.empty(), "a stamp says of which host it is");
    mesh::write_stamp(directory(), *stamp);
    const std::string written = stamp_file();
    const auto again = mesh::read_stamp(directory());
    expect(again.has_value(), "what is written can be read");
    mesh::write_stamp(directory(), *again);
    expect(stamp_file() == written, "nothing of it is lost");
}

void expect_ways_last(std::uint64_t seed) {
    constexpr std::size_t most = 5;
    const auto ways = mesh::read_ways(directory(), seed, most);
    if (!ways)
        return;
    expect(ways->size() <= most, "no more are read than are asked for");
    mesh::write_ways(directory(), *ways);
    const auto again = mesh::read_ways(directory(), 0, most);
    expect(again == ways, "what is written is what is read");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::string_view content(reinterpret_cast<const char*>(data) + 1, size - 1);
    put(mesh::stamp_name, content);
    put(mesh::ways_name, content);
    expect_stamp_lasts();
    expect_ways_last(data[0]);
    return 0;
}
