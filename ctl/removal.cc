#include "ctl/removal.h"

#include <algorithm>
#include <cerrno>
#include <ostream>
#include <system_error>
#include <unistd.h>

namespace ctl {

namespace fs = std::filesystem;

std::vector<fs::path> entries_of(const fs::path& directory) {
    std::vector<fs::path> entries;
    try {
        for (const fs::directory_entry& entry : fs::directory_iterator(directory))
            entries.push_back(entry.path());
    } catch (const fs::filesystem_error& error) {
        if (error.code() != std::errc::no_such_file_or_directory &&
            error.code() != std::errc::not_a_directory)
            throw;
    }
    std::ranges::sort(entries);
    return entries;
}

void Removal::tell(const mesh::Remnant& remnant) {
    if (!remnant.trouble.empty()) {
        fail(remnant.what + ": " + remnant.trouble +
             "; run this again as root, or do it by hand: " + remnant.by_hand);
        return;
    }
    ++removed_;
    out_ << (rehearsal_ ? "would remove " : "removed ") << remnant.what << std::endl;
}

void Removal::remove(const fs::path& path, const mesh::Remnant& remnant, SystemCall call,
                     const std::string& flag) {
    if (rehearsal_ || call(path.c_str()) == 0) {
        tell(remnant);
        return;
    }
    if (errno == ENOENT)
        return;
    mesh::Remnant left = remnant;
    left.trouble = "cannot remove it (" + flag + "): " + std::generic_category().message(errno);
    tell(left);
}

void Removal::remove_file(const fs::path& file, const std::string& what, const std::string& flag) {
    remove(file, {.what = what, .by_hand = "rm " + file.string()}, ::unlink, flag);
}

void Removal::remove_directory(const fs::path& directory, const std::string& flag) {
    remove(
        directory,
        {.what = "the directory " + directory.string(), .by_hand = "rmdir " + directory.string()},
        ::rmdir, flag);
}

void Removal::keep(const std::string& what_and_why) {
    out_ << (rehearsal_ ? "would keep " : "kept ") << what_and_why << std::endl;
}

void Removal::fail(const std::string& sentence) {
    ++failures_;
    err_ << "ipipctl: " << sentence << std::endl;
}

} // namespace ctl
