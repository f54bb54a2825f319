#include "ipam/database.h"

#include <cerrno>
#include <fcntl.h>
#include <lmdb.h>
#include <sys/file.h>
#include <utility>

namespace ipam {
namespace {

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
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
        return "the file is damaged and the leases in it are lost: stop the containers of this "
               "host "
               "that have an address from it, remove the file, start them again";
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

} // namespace

void fail(const std::string& tried, int code) {
    std::string sentence = "cannot " + tried + ": " + mdb_strerror(code);
    if (const std::string_view hint = mend(code); !hint.empty())
        sentence.append("; ").append(hint);
    throw StoreError(sentence);
}

Database::Database(std::string path, std::size_t capacity) : path_(std::move(path)) {
    int code = mdb_env_create(&env_);
    if (code == 0)
        code = mdb_env_set_mapsize(env_, capacity);
    if (code == 0)
        code = mdb_env_open(env_, path_.c_str(), MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600);
    if (code != 0) {
        mdb_env_close(env_); // also what failed to open wants closing; takes a null pointer
        fail("open " + path_, code);
    }
    // LMDB leaves its descriptor to programs that this one starts: they would keep the lock.
    int fd = -1;
    mdb_env_get_fd(env_, &fd);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

Database::~Database() {
    mdb_env_close(env_);
}

Transaction::Lock::Lock(const Database& database) {
    mdb_env_get_fd(database.env_, &fd_);
    while (flock(fd_, LOCK_EX) != 0)
        if (errno != EINTR)
            fail("lock " + database.path_, errno);
}

Transaction::Lock::~Lock() {
    flock(fd_, LOCK_UN);
}

Transaction::Transaction(const Database& database, Mode mode)
    : database_(database), lock_(database) {
    int code = mdb_txn_begin(database_.env_, nullptr, mode == Mode::read ? MDB_RDONLY : 0U, &txn_);
    if (code == 0)
        code = mdb_dbi_open(txn_, nullptr, 0, &map_); // costs nothing: the map without a name
    if (code != 0) {
        mdb_txn_abort(txn_); // takes a null pointer
        fail("read " + database_.path_, code);
    }
}

Transaction::~Transaction() {
    mdb_txn_abort(txn_);
}

std::optional<std::string_view> Transaction::get(std::string_view key) const {
    MDB_val k = bytes(key);
    MDB_val v{};
    const int code = mdb_get(txn_, map_, &k, &v);
    if (code == MDB_NOTFOUND)
        return std::nullopt;
    if (code != 0)
        fail("read " + database_.path_, code);
    return text(v);
}

void Transaction::put(std::string_view key, std::string_view value) {
    MDB_val k = bytes(key);
    MDB_val v = bytes(value);
    if (const int code = mdb_put(txn_, map_, &k, &v, 0); code != 0)
        fail("write " + database_.path_, code);
}

void Transaction::remove(std::string_view key) {
    MDB_val k = bytes(key);
    if (const int code = mdb_del(txn_, map_, &k, nullptr); code != 0 && code != MDB_NOTFOUND)
        fail("write " + database_.path_, code);
}

void Transaction::commit() {
    // A failed commit frees the transaction as well.
    if (const int code = mdb_txn_commit(std::exchange(txn_, nullptr)); code != 0)
        fail("write " + database_.path_, code);
}

Cursor::Cursor(const Transaction& transaction) : database_(transaction.database_) {
    if (const int code = mdb_cursor_open(transaction.txn_, transaction.map_, &cursor_); code != 0)
        fail("read " + database_.path(), code);
}

Cursor::~Cursor() {
    mdb_cursor_close(cursor_);
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
    const int code = mdb_cursor_get(cursor_, &k, &v, static_cast<MDB_cursor_op>(operation));
    if (code != 0 && code != MDB_NOTFOUND)
        fail("read " + database_.path(), code);
    valid_ = code == 0;
    key_ = valid_ ? text(k) : std::string_view{};
    value_ = valid_ ? text(v) : std::string_view{};
}

} // namespace ipam
