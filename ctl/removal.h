#pragma once

#include "mesh/clear.h"

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace ctl {

/// What is in a directory, by name; nothing where there is no such directory. Throws
/// std::filesystem::filesystem_error.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path& directory);

/// Takes things away and tells of it, a line each: what went on `out`, what did not on `err`, with
/// the mend. As a rehearsal it takes nothing and tells what would go.
class Removal {
  public:
    Removal(std::ostream& out, std::ostream& err, bool rehearsal)
        : out_(out), err_(err), rehearsal_(rehearsal) {}

    bool is_rehearsal() const { return rehearsal_; }

    /// Tells of what went elsewhere, or would.
    void tell(const mesh::Remnant& remnant);

    /// Removes a file that is there; `what` says whose, with the path, and `flag` how the directory
    /// can be chosen. One that is gone meanwhile goes without a word.
    void remove_file(const std::filesystem::path& file, const std::string& what,
                     const std::string& flag);
    /// The same for an empty directory.
    void remove_directory(const std::filesystem::path& directory, const std::string& flag);

    /// Tells of something that stays for a good reason.
    void keep(const std::string& what_and_why);

    /// Tells of a failure; `sentence` names the mend.
    void fail(const std::string& sentence);

    /// Calls `step`; what it throws is a failure, and `mend` its mend.
    template <typename Step>
    void attempt(const std::string& mend, Step step) {
        try {
            step();
        } catch (const std::exception& error) {
            fail(error.what() + ("; " + mend));
        }
    }

    std::size_t removed() const { return removed_; }
    std::size_t failures() const { return failures_; }

  private:
    using SystemCall = int (*)(const char*);
    void remove(const std::filesystem::path& path, const mesh::Remnant& remnant, SystemCall call,
                const std::string& flag);

    std::ostream& out_;
    std::ostream& err_;
    bool rehearsal_;
    std::size_t removed_ = 0;
    std::size_t failures_ = 0;
};

} // namespace ctl
