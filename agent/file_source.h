#pragma once

#include "agent/interrupt.h"
#include "agent/roster.h"

#include <filesystem>
#include <memory>
#include <thread>

namespace agent {

/// A file with the key `nodes`, as the plugin's configuration has it, followed as it is written
/// over or replaced. One that cannot be read, or is wrong, changes nothing: what was read last
/// stays, a line in the log says why, and it is read again until it can be.
class FileSource : public NodeSource {
  public:
    explicit FileSource(const std::filesystem::path& path);
    ~FileSource() override;
    void start(Deliver deliver) override;

  private:
    /// Until interrupt_. Throws std::system_error where the kernel cannot tell of changes.
    void follow(const Deliver& deliver);
    /// Whether what inotify tells is of the file.
    bool is_of_ours(int events) const;
    /// False where it could not be.
    bool read(const Deliver& deliver);
    /// Says a thing once, however often it is tried.
    void complain(const std::string& why);

    std::filesystem::path path_;
    std::shared_ptr<Interrupt> interrupt_;
    std::string complained_; ///< the last line; of the thread alone
    std::thread thread_;
};

} // namespace agent
