#pragma once

#include "agent/interrupt.h"
#include "agent/roster.h"

#include <filesystem>
#include <memory>
#include <thread>

namespace agent {

/// A file with the key `nodes`, as the plugin's configuration has it, followed as it is written
/// over or replaced. One that cannot be read, or is wrong, changes nothing: what was read last
/// stays, and a line in the log says why.
class FileSource : public NodeSource {
  public:
    explicit FileSource(std::filesystem::path path);
    ~FileSource() override;
    void start(Deliver deliver) override;

  private:
    void follow(const Deliver& deliver) const;
    void read(const Deliver& deliver) const;

    std::filesystem::path path_;
    std::shared_ptr<Interrupt> interrupt_;
    std::thread thread_;
};

} // namespace agent
