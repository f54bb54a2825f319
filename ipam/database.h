#pragma once

#include "ipam/error.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

namespace ipam {

/// Throws StoreError "cannot <tried>: <reason>; <mend>". `code` is an errno or one of LMDB's.
[[noreturn]] void fail(const std::string& tried, int code);

/// A file of LMDB: one sorted map of bytes to bytes, open in any number of processes.
///
/// Locking: LMDB's own lock file is not used, a flock(2) on the database is. It needs no file, no
/// shared memory and no reader slots to look after, and the kernel drops it whichever way a
/// process ends. Nor does it break where a process opens the database twice.
///
/// Kill safety: the file is mapped for reading only and changes by pwrite(2) alone. A transaction
/// writes pages that no snapshot uses and then, with a single write inside one page, the root.
/// A process that dies between two instructions therefore leaves the last transaction or this one.
///
/// Damage: LMDB believes what it finds in its pages, and follows it into memory that is not there
/// or writes over what is. So a transaction begins by looking whether they hold together, where
/// somebody else has written to the file: the time of its last change tells. That they do not, what
/// LMDB itself notices, and a fault for all that, becomes DamagedStore; from then on the database
/// is no longer touched.
///
/// Nothing is synced to the disk: what a crash of the machine may damage belongs to a boot that
/// is over, and is not read again.
class Database {
  public:
    /// Address space, not memory; the file grows up to it, which is over three million leases.
    static constexpr std::size_t default_capacity = std::size_t{1} << 30;

    /// Opens `path`; an empty or missing file becomes a database. Throws StoreError, as do the
    /// methods of what is below: DamagedStore where it is the file's content.
    explicit Database(std::string path, std::size_t capacity = default_capacity);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    const std::string& path() const { return path_; }
    std::uint64_t inode() const { return inode_; }

  private:
    friend class Transaction;
    friend class Cursor;

    /// The code that `call` returns. Its fault leaves the database alone for good.
    template <typename Call>
    int guard(Call call) const;
    [[noreturn]] void fail(const std::string& tried, int code) const;
    int descriptor() const;
    void close();
    // REQUIRE: nobody writes meanwhile.
    /// Throws DamagedStore.
    void inspect() const;
    /// So that what is as we left it need not be inspected: that would be a millisecond for 20,000
    /// leases.
    void sign() const;

    std::string path_;
    std::size_t capacity_;
    std::uint64_t inode_ = 0;
    MDB_env* env_ = nullptr;
    mutable bool faulted_ = false; ///< inside of LMDB, in the middle of something
};

/// All or nothing. It begins when no other is open, in any process; its end without commit()
/// leaves everything as it was. Methods throw StoreError.
class Transaction {
  public:
    enum class Mode { read, write };

    Transaction(const Database& database, Mode mode);
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    ~Transaction();

    const Database& database() const { return database_; }

    /// The value is good until the next put() or remove().
    std::optional<std::string_view> get(std::string_view key) const;

    void put(std::string_view key, std::string_view value);

    /// No error where there is no such key.
    void remove(std::string_view key);

    /// REQUIRES: Mode::write, and no Cursor left.
    void commit();

  private:
    friend class Cursor;

    class Lock {
      public:
        Lock(const Database& database, Mode mode);
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;
        ~Lock();

      private:
        int fd_ = -1; // LMDB's
    };

    void abort();

    const Database& database_;
    Lock lock_;
    MDB_txn* txn_ = nullptr;
    unsigned map_ = 0;
};

/// A place in the map, to read on from. REQUIRES: its transaction neither ends nor writes before
/// the cursor's own end.
class Cursor {
  public:
    explicit Cursor(const Transaction& transaction);
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    ~Cursor();

    const Database& database() const { return database_; }

    /// To the first key that is `key` or greater.
    void seek(std::string_view key);
    void next();

    /// False behind the last key.
    explicit operator bool() const { return valid_; }

    std::string_view key() const { return key_; }
    std::string_view value() const { return value_; }

  private:
    void move(int operation, std::string_view key);

    const Database& database_;
    MDB_cursor* cursor_ = nullptr;
    bool valid_ = false;
    std::string_view key_;
    std::string_view value_;
};

} // namespace ipam
