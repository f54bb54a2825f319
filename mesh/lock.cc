#include "mesh/lock.h"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>

namespace mesh {

namespace {

[[noreturn]] void fail(int code, const std::filesystem::path& path) {
    throw std::system_error(code, std::generic_category(),
                            "cannot lock " + path.string() + " (stateDir)");
}

template <typename Call>
void insist(const std::filesystem::path& path, Call call) {
    while (call() != 0)
        if (errno != EINTR)
            fail(errno, path);
}

/// flock(2) lets those in who share, however long one has waited to be alone: ADDs that overlap
/// would keep him out for good. So all queue by a lock of the other kind on the same file
/// (F_OFD_SETLKW, fcntl(2)), which knows nothing of the first, and which is held only to get that.
void acquire(const netlink::Fd& file, const std::filesystem::path& path, Use use) {
    const auto queue = [&](int command, int type) {
        struct flock place {};
        place.l_type = static_cast<short>(type);
        place.l_whence = SEEK_SET;
        return ::fcntl(file.get(), command, &place);
    };
    insist(path, [&] { return queue(F_OFD_SETLKW, F_WRLCK); });
    insist(path, [&] { return ::flock(file.get(), use == Use::alone ? LOCK_EX : LOCK_SH); });
    insist(path, [&] { return queue(F_OFD_SETLK, F_UNLCK); });
}

} // namespace

netlink::Fd lock(const std::filesystem::path& state_dir, Use use) {
    const auto path = state_dir / lock_name;
    const auto open = [&] {
        return netlink::Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    };
    netlink::Fd file = open();
    if (!file && errno == ENOENT) {
        std::filesystem::create_directories(state_dir);
        std::filesystem::permissions(state_dir, std::filesystem::perms::owner_all);
        file = open();
    }
    if (!file)
        fail(errno, path);
    acquire(file, path, use);
    struct stat status {};
    if (::fstat(file.get(), &status) == 0 && status.st_nlink == 0)
        throw std::system_error(ESTALE, std::generic_category(),
                                "ipip-cni was uninstalled from this host while this waited for " +
                                    path.string() + "; install it again");
    return file;
}

std::optional<netlink::Fd> shut(const std::filesystem::path& state_dir) {
    const auto path = state_dir / lock_name;
    netlink::Fd file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    if (!file && (errno == ENOENT || errno == ENOTDIR))
        return std::nullopt;
    if (!file)
        fail(errno, path);
    acquire(file, path, Use::alone);
    return file;
}

} // namespace mesh
