#include "ipam/boot_file.h"

#include "ipam/database.h"
#include "ipam/lease_table.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ipam {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "leases-";
constexpr std::string_view suffix = ".mdb";
constexpr std::string_view aside = ".broken"; ///< behind the suffix
constexpr std::size_t id_length = 36;         // a UUID

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

/// A lease file that nobody knows yet. A process killed meanwhile leaves it under its temporary
/// name, until the next boot; another process that makes one has a name of its own.
class Draft {
  public:
    Draft(const fs::path& directory, const std::string& name, const std::vector<Lease>& leases)
        : path_(directory / (name + ".XXXXXX")) {
        const int fd = mkostemp(path_.data(), O_CLOEXEC); // mode 0600
        if (fd < 0)
            fail("keep leases in " + directory.native(), errno);
        close(fd);
        try {
            fill(leases);
        } catch (...) {
            unlink(path_.c_str());
            throw;
        }
    }
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    ~Draft() { unlink(path_.c_str()); }

    const std::string& path() const { return path_; }

  private:
    void fill(const std::vector<Lease>& leases) const {
        const Database database(path_);
        Transaction transaction(database, Transaction::Mode::write);
        LeaseTable::put_layout(transaction);
        LeaseTable table(transaction);
        for (const auto& [address, owner, since] : leases) {
            std::vector<ip::Address> held = table.held(owner);
            held.push_back(address);
            table.take(owner, address, since);
            table.set_held(owner, held);
        }
        transaction.commit();
    }

    std::string path_;
};

void create(const fs::path& directory, const std::string& name, const Store::Known& known) {
    make_directory(directory);
    forget_other_boots(directory, name);
    const std::string path = directory / name;
    std::vector<Lease> leases;
    try {
        if (known)
            leases = known();
    } catch (...) {
        if (fs::exists(path)) // another process was first, and what is to be known came after it
            return;
        throw;
    }
    const Draft draft(directory, name, leases);
    // Unlike rename(2), link(2) never replaces: the first of several processes wins.
    if (link(draft.path().c_str(), path.c_str()) != 0 && errno != EEXIST)
        fail("make " + path, errno);
}

fs::path plain(const fs::path& directory) {
    return directory.has_filename() ? directory : directory.parent_path();
}

std::string file_name() {
    return std::string(prefix).append(boot_id()).append(suffix);
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
    return draft.empty() || draft == aside ||
           (draft.size() == 7 && draft.front() == '.' &&
            std::ranges::all_of(draft.substr(1), alphanumeric));
}

void require_private(const fs::path& directory) {
    struct stat status {};
    if (stat(directory.c_str(), &status) != 0)
        return; // what comes next finds the reason
    const std::string& name = directory.native();
    if (status.st_uid != 0 && status.st_uid != geteuid())
        throw StoreError("the directory " + name + " belongs to user " +
                         std::to_string(status.st_uid) +
                         ", who could change the leases in it; run: chown root " + name);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        throw StoreError("the directory " + name +
                         " can be written to by others, who could change the leases in it; run: "
                         "chmod go-w " +
                         name + ", or keep leases in a directory of their own (stateDir, dataDir)");
}

std::string boot_file(const fs::path& directory, const Store::Known& known) {
    const fs::path place = plain(directory);
    const std::string name = file_name();
    std::string path = place / name;
    require_private(place);
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0)
        create(place, name, known); // which finds the reason if it is another than a missing file
    else if (!S_ISREG(status.st_mode))
        throw StoreError(path +
                         " is no regular file; remove it, or keep leases in another directory "
                         "(stateDir, dataDir)");
    return path;
}

std::optional<std::string> rebuild(const fs::path& directory, const DamagedStore& damage,
                                   const std::vector<Lease>& leases) {
    const fs::path place = plain(directory);
    const std::string name = file_name();
    const std::string path = place / name;
    struct Descriptor {
        int fd;
        ~Descriptor() { close(fd); }
    } const damaged{open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
    struct stat status {};
    // Its lock keeps others from writing; those that wait for it find another file behind its name.
    int locked = -1;
    do
        locked = damaged.fd < 0 ? -1 : flock(damaged.fd, LOCK_EX);
    while (locked != 0 && errno == EINTR);
    if (locked != 0 || fstat(damaged.fd, &status) != 0)
        fail("set " + path + " aside", errno);
    if (status.st_ino != damage.inode())
        return std::nullopt;
    const Draft draft(place, name, leases);
    // Never without a file: who found none would begin anew.
    if (renameat2(AT_FDCWD, draft.path().c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) != 0)
        fail("replace " + path, errno);
    std::string kept = path + std::string(aside);
    if (rename(draft.path().c_str(), kept.c_str()) != 0)
        fail("keep " + kept, errno);
    return kept;
}

} // namespace ipam
