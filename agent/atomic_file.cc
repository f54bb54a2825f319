#include "agent/atomic_file.h"

#include "netlink/fd.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <system_error>

namespace agent {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& tried, const fs::path& path) {
    throw std::system_error(errno, std::generic_category(),
                            "cannot " + tried + ' ' + path.string());
}

/// A file that is gone again unless it gets its name.
class Draft {
  public:
    explicit Draft(const fs::path& path) : path_(path) {
        // A name that no runtime takes for a configuration, in the same directory.
        std::string pattern = (path.parent_path() / ('.' + path.filename().string() + ".XXXXXX"));
        file_ = netlink::Fd(::mkostemp(pattern.data(), O_CLOEXEC));
        if (!file_)
            fail("write in", path.parent_path());
        draft_ = pattern;
    }
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    ~Draft() {
        if (!draft_.empty())
            ::unlink(draft_.c_str());
    }

    void write(std::string_view content, unsigned mode) {
        while (!content.empty()) {
            const ssize_t size = ::write(file_.get(), content.data(), content.size());
            if (size < 0 && errno != EINTR)
                fail("write", draft_);
            content.remove_prefix(size < 0 ? 0 : static_cast<std::size_t>(size));
        }
        if (::fchmod(file_.get(), mode) != 0 || ::fsync(file_.get()) != 0)
            fail("write", draft_);
        file_ = {}; // a program that is still open for writing cannot be run
    }

    void give_name() {
        if (::rename(draft_.c_str(), path_.c_str()) != 0)
            fail("write", path_);
        draft_.clear();
        const netlink::Fd directory(
            ::open(path_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!directory || ::fsync(directory.get()) != 0)
            fail("write", path_.parent_path());
    }

  private:
    fs::path path_;
    std::string draft_;
    netlink::Fd file_;
};

} // namespace

std::optional<std::string> read_file(const fs::path& path) {
    const netlink::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file && (errno == ENOENT || errno == ENOTDIR))
        return std::nullopt;
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0)
        fail("read", path);
    constexpr std::size_t spare = 4096; // it may be longer by now, and the end is to be met
    std::string content(static_cast<std::size_t>(status.st_size) + spare, '\0');
    std::size_t used = 0;
    for (;;) {
        const ssize_t size = ::read(file.get(), content.data() + used, content.size() - used);
        if (size == 0)
            break;
        if (size < 0 && errno != EINTR)
            fail("read", path);
        used += size < 0 ? 0 : static_cast<std::size_t>(size);
        if (used == content.size())
            content.resize(used + spare);
    }
    content.resize(used);
    return content;
}

bool put_file(const fs::path& path, std::string_view content, unsigned mode) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        (status.st_mode & 07777) == mode && read_file(path) == content)
        return false;
    fs::create_directories(path.parent_path());
    Draft draft(path);
    draft.write(content, mode);
    draft.give_name();
    return true;
}

} // namespace agent
