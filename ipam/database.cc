#include "ipam/database.h"

#include "ipam/page_check.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <fcntl.h>
#include <lmdb.h>
#include <span>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#if defined(__SANITIZE_ADDRESS__) || defined(__clang__) // which has no such word
/// What a damaged database holds when it faults is lost on purpose, see Database.
extern "C" const char* __lsan_default_suppressions() { // NOLINT: the sanitizer names it
    return "leak:liblmdb";
}
#endif

namespace ipam {
namespace {

constexpr const char* damage_mend =
    "the leases in it are lost: stop the containers of this host that have an address from it, "
    "remove the file, start them again";

/// What whoever reads the message can do about it; empty where that depends.
std::string_view mend(int code) {
    switch (code) {
    case EACCES:
    case EPERM:
        return "run this as root";
    case EROFS:
        return "keep leases in a directory that can be written";
    case ENOTDIR:
    case EISDIR:
        return "something else has that name: remove it or keep leases in another directory";
    case ENOSPC:
    case EDQUOT:
        return "make room on that file system";
    case EIO: // LMDB's word for a write that the file system cut short
        return "that file system is full or broken";
    case EFBIG:
        return "raise the limit on the size of files (ulimit -f)";
    case ENOMEM:
        return "raise the limit on address space (ulimit -v) to more than 1 GiB";
    case MDB_MAP_FULL:
        return "release the leases of containers that are gone";
    case MDB_PANIC:
        return "a write before failed; try again";
    default:
        return {};
    }
}

MDB_val bytes(std::string_view text) {
    return {text.size(), const_cast<char*>(text.data())}; // LMDB takes both ways in one type
}

std::string_view text(const MDB_val& value) {
    return {static_cast<const char*>(value.mv_data), value.mv_size};
}

std::uint64_t inode_of(const char* path) {
    struct stat status {};
    return ::stat(path, &status) == 0 ? status.st_ino : 0;
}

/// The fraction of a second that the time of a file's last change has when nobody else has changed
/// the file since: any write gives it another, but once in a thousand million times.
long signature_of(const struct stat& status) {
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15; // splits what is alike far apart
    std::uint64_t mixed = 0;
    for (const auto number :
         {static_cast<std::uint64_t>(status.st_ino), static_cast<std::uint64_t>(status.st_size),
          static_cast<std::uint64_t>(status.st_mtim.tv_sec)})
        mixed = ((mixed ^ number) * odd) ^ (mixed >> 29);
    return static_cast<long>((mixed >> 8) % 1'000'000'000);
}

/// Where a fault inside of LMDB leads to; null outside of it.
thread_local sigjmp_buf* way_out = nullptr;

/// What was done about these faults before: what is not LMDB's stays as it was.
struct Faults {
    Faults() {
        struct sigaction action {};
        action.sa_handler = [](int signal) { take(signal); };
        action.sa_flags = SA_NODEFER; // a jump out of the handler does not end it
        for (std::size_t i = 0; i < signals.size(); ++i)
            sigaction(signals[i], &action, &before[i]);
    }

    static void take(int signal) {
        if (way_out != nullptr)
            siglongjmp(*way_out, 1);
        for (std::size_t i = 0; i < signals.size(); ++i)
            if (signals[i] == signal)
                sigaction(signal, &before[i], nullptr); // the instruction faults once more
    }

    static constexpr std::array signals{SIGSEGV, SIGBUS, SIGFPE};
    static inline std::array<struct sigaction, signals.size()> before{};
};

/// Reads one byte of each page.
void touch(const MDB_val& value) {
    constexpr std::size_t page = 4096;
    const auto* bytes = static_cast<const volatile char*>(value.mv_data);
    for (std::size_t i = 0; i < value.mv_size; i += page)
        static_cast<void>(bytes[i]);
    if (value.mv_size > 0)
        static_cast<void>(bytes[value.mv_size - 1]);
}

/// Whether a code is about what the file holds. Of the system's only that of a write to an
/// impossible place is: memory that is short for a moment must not cost the leases.
bool is_damage(int code) {
    switch (code) {
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL: // pages that lead to each other
    case MDB_INCOMPATIBLE:
    case EINVAL:
        return true;
    default:
        return false;
    }
}

} // namespace

void fail(const std::string& tried, int code) {
    std::string sentence = "cannot " + tried + ": " + mdb_strerror(code);
    if (const std::string_view hint = mend(code); !hint.empty())
        sentence.append("; ").append(hint);
    throw StoreError(sentence);
}

template <typename Call>
int Database::guard(Call call) const {
    if (faulted_)
        return MDB_CORRUPTED;
    sigjmp_buf here;
    const struct WayOut { // none any more, however this ends
        WayOut() = default;
        WayOut(const WayOut&) = delete;
        WayOut& operator=(const WayOut&) = delete;
        ~WayOut() { way_out = nullptr; }
    } closed_behind_us;
    if (sigsetjmp(here, 0) != 0) {
        faulted_ = true;
        return MDB_CORRUPTED;
    }
    way_out = &here;
    return call();
}

void Database::fail(const std::string& tried, int code) const {
    if (is_damage(code))
        throw DamagedStore("cannot " + tried + ' ' + path_ + ": " + mdb_strerror(code) + "; " +
                               damage_mend,
                           inode_);
    ipam::fail(tried + ' ' + path_, code);
}

int Database::descriptor() const {
    int fd = -1;
    mdb_env_get_fd(env_, &fd);
    return fd;
}

void Database::close() {
    if (!faulted_)
        mdb_env_close(env_); // also what failed to open wants closing; takes a null pointer
    else if (const int fd = descriptor(); fd >= 0) // the memory is lost, the file must not be
        ::close(fd);
}

void Database::inspect() const {
    struct stat status {};
    if (fstat(descriptor(), &status) != 0)
        fail("look at", errno);
    if (status.st_mtim.tv_nsec == signature_of(status))
        return;
    const auto size = static_cast<std::size_t>(status.st_size);
    void* const map = mmap(nullptr, std::max<std::size_t>(size, 1), PROT_READ, MAP_SHARED,
                           descriptor(), 0); // LMDB does not say where its own is
    if (map == MAP_FAILED)                   // NOLINT: the system's own macro
        fail("map", errno);
    const int code = guard([&] {
        const std::span content(static_cast<const std::byte*>(map), size);
        return holds_together(content, capacity_) ? 0 : MDB_CORRUPTED;
    });
    munmap(map, std::max<std::size_t>(size, 1));
    if (code != 0)
        fail("read", code);
    sign();
}

void Database::sign() const {
    struct stat status {};
    if (fstat(descriptor(), &status) != 0)
        return; // then it is inspected once more
    const std::array<timespec, 2> times{
        {{0, UTIME_OMIT}, {status.st_mtim.tv_sec, signature_of(status)}}};
    futimens(descriptor(), times.data());
}

Database::Database(std::string path, std::size_t capacity)
    : path_(std::move(path)), capacity_(capacity) {
    static const Faults faults;
    int code = mdb_env_create(&env_);
    if (code == 0)
        code = mdb_env_set_mapsize(env_, capacity);
    if (code == 0)
        code = mdb_env_set_assert(env_, [](MDB_env*, const char*) { siglongjmp(*way_out, 1); });
    if (code == 0)
        code = guard([&] {
            return mdb_env_open(env_, path_.c_str(), MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600);
        });
    if (code != 0) {
        close();
        inode_ = inode_of(path_.c_str());
        fail("open", code);
    }
    struct stat status {};
    fstat(descriptor(), &status);
    inode_ = status.st_ino;
    // LMDB leaves its descriptor to programs that this one starts: they would keep the lock.
    fcntl(descriptor(), F_SETFD, FD_CLOEXEC);
}

Database::~Database() {
    close();
}

Transaction::Lock::Lock(const Database& database, Mode mode) : fd_(database.descriptor()) {
    while (flock(fd_, LOCK_EX) != 0)
        if (errno != EINTR)
            database.fail("lock", errno);
    // What is written into a file that another process has set aside is lost.
    const std::uint64_t inode =
        mode == Mode::write ? inode_of(database.path_.c_str()) : database.inode_;
    if (inode != 0 && inode != database.inode_) {
        flock(fd_, LOCK_UN);
        throw DamagedStore(database.path_ + " was made anew by another process; try again",
                           database.inode_);
    }
}

Transaction::Lock::~Lock() {
    flock(fd_, LOCK_UN);
}

Transaction::Transaction(const Database& database, Mode mode)
    : database_(database), lock_(database, mode) {
    database_.inspect();
    const int code = database_.guard([&] {
        const int begun =
            mdb_txn_begin(database_.env_, nullptr, mode == Mode::read ? MDB_RDONLY : 0U, &txn_);
        // The map without a name costs nothing.
        return begun != 0 ? begun : mdb_dbi_open(txn_, nullptr, 0, &map_);
    });
    if (code != 0) {
        abort();
        database_.fail("read", code);
    }
}

Transaction::~Transaction() {
    abort();
}

void Transaction::abort() {
    database_.guard([&] {
        mdb_txn_abort(txn_); // takes a null pointer
        return 0;
    });
}

std::optional<std::string_view> Transaction::get(std::string_view key) const {
    MDB_val k = bytes(key);
    MDB_val v{};
    const int code = database_.guard([&] {
        const int got = mdb_get(txn_, map_, &k, &v);
        if (got == 0)
            touch(v);
        return got;
    });
    if (code == MDB_NOTFOUND)
        return std::nullopt;
    if (code != 0)
        database_.fail("read", code);
    return text(v);
}

void Transaction::put(std::string_view key, std::string_view value) {
    MDB_val k = bytes(key);
    MDB_val v = bytes(value);
    if (const int code = database_.guard([&] { return mdb_put(txn_, map_, &k, &v, 0); }); code != 0)
        database_.fail("write", code);
}

void Transaction::remove(std::string_view key) {
    MDB_val k = bytes(key);
    const int code = database_.guard([&] { return mdb_del(txn_, map_, &k, nullptr); });
    if (code != 0 && code != MDB_NOTFOUND)
        database_.fail("write", code);
}

void Transaction::commit() {
    // A failed commit frees the transaction as well.
    MDB_txn* const ended = std::exchange(txn_, nullptr);
    if (const int code = database_.guard([&] { return mdb_txn_commit(ended); }); code != 0)
        database_.fail("write", code);
    database_.sign();
}

Cursor::Cursor(const Transaction& transaction) : database_(transaction.database_) {
    const int code = database_.guard(
        [&] { return mdb_cursor_open(transaction.txn_, transaction.map_, &cursor_); });
    if (code != 0)
        database_.fail("read", code);
}

Cursor::~Cursor() {
    database_.guard([&] {
        mdb_cursor_close(cursor_);
        return 0;
    });
}

void Cursor::seek(std::string_view key) {
    move(MDB_SET_RANGE, key);
}

void Cursor::next() {
    move(MDB_NEXT, {});
}

void Cursor::move(int operation, std::string_view key) {
    MDB_val k = bytes(key);
    MDB_val v{};
    const int code = database_.guard([&] {
        const int got = mdb_cursor_get(cursor_, &k, &v, static_cast<MDB_cursor_op>(operation));
        if (got == 0) {
            touch(k);
            touch(v);
        }
        return got;
    });
    if (code != 0 && code != MDB_NOTFOUND)
        database_.fail("read", code);
    valid_ = code == 0;
    key_ = valid_ ? text(k) : std::string_view{};
    value_ = valid_ ? text(v) : std::string_view{};
}

} // namespace ipam
