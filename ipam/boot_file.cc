#include "ipam/boot_file.h"

#include "ipam/database.h"
#include "ipam/lease_table.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace ipam {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "leases-";
constexpr std::string_view suffix = ".mdb";
constexpr std::size_t id_length = 36; // a UUID

std::string boot_id() {
    constexpr const char* path = "/proc/sys/kernel/random/boot_id";
    std::array<char, id_length> id{};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = fd < 0 ? -1 : read(fd, id.data(), id.size());
    const int code = size < 0 ? errno : EIO;
    if (fd >= 0)
        close(fd);
    if (size != static_cast<ssize_t>(id.size()))
        fail(std::string("read ") + path, code);
    return {id.data(), id.size()};
}

void make_directory(const fs::path& directory) {
    if (mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST)
        return;
    if (errno == ENOENT) {
        std::error_code error; // shows again below, with its errno
        fs::create_directories(directory.parent_path(), error);
        if (mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST)
            return;
    }
    fail("make the directory " + directory.native(), errno);
}

/// Best effort: nobody reads those files, they only take up room.
void forget_other_boots(const fs::path& directory, const std::string& current) {
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().native();
        if (is_lease_file(name) && !name.starts_with(current))
            unlink(entry->path().c_str());
    }
}

/// A process killed in here leaves at most a file under a temporary name, which the next boot
/// removes; another process that is in here too has a temporary name of its own.
void create(const fs::path& directory, const std::string& name) {
    make_directory(directory);
    forget_other_boots(directory, name);

    struct Temporary {
        std::string path;
        ~Temporary() { unlink(path.c_str()); }
    } temporary{directory / (name + ".XXXXXX")};
    const int fd = mkostemp(temporary.path.data(), O_CLOEXEC); // mode 0600
    if (fd < 0)
        fail("keep leases in " + directory.native(), errno);
    close(fd);
    {
        const Database database(temporary.path);
        Transaction transaction(database, Transaction::Mode::write);
        LeaseTable::put_layout(transaction);
        transaction.commit();
    }
    // Unlike rename(2), link(2) never replaces: the first of several processes wins.
    const std::string path = directory / name;
    if (link(temporary.path.c_str(), path.c_str()) != 0 && errno != EEXIST)
        fail("make " + path, errno);
}

} // namespace

bool is_lease_file(std::string_view name) {
    constexpr std::size_t whole = prefix.size() + id_length + suffix.size();
    const auto alphanumeric = [](unsigned char c) { return std::isalnum(c) != 0; };
    if (name.size() < whole || !name.starts_with(prefix) ||
        name.substr(whole - suffix.size(), suffix.size()) != suffix ||
        !std::ranges::all_of(name.substr(prefix.size(), id_length),
                             [](unsigned char c) { return std::isxdigit(c) || c == '-'; }))
        return false;
    const std::string_view draft = name.substr(whole); // as mkstemp(3) fills it in
    return draft.empty() || (draft.size() == 7 && draft.front() == '.' &&
                             std::ranges::all_of(draft.substr(1), alphanumeric));
}

std::string boot_file(const fs::path& directory) {
    const fs::path plain = directory.has_filename() ? directory : directory.parent_path();
    const std::string name = std::string(prefix).append(boot_id()).append(suffix);
    std::string path = plain / name;
    if (access(path.c_str(), F_OK) != 0)
        create(plain, name); // which finds the reason if it is another than a missing file
    return path;
}

} // namespace ipam
