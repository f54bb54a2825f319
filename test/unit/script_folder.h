#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace cni {

/// A folder of shell scripts that play plugins; it goes when this does.
class ScriptFolder {
  public:
    ScriptFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "ipip-cni-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ScriptFolder(const ScriptFolder&) = delete;
    ScriptFolder& operator=(const ScriptFolder&) = delete;
    ~ScriptFolder() { std::filesystem::remove_all(path_); }

    const std::filesystem::path& path() const { return path_; }

    /// The path of the script.
    std::string write(const std::string& name, const std::string& lines) const {
        const std::filesystem::path file = path_ / name;
        std::ofstream(file) << "#!/bin/sh\n" << lines << '\n';
        std::filesystem::permissions(file, std::filesystem::perms::owner_all);
        return file;
    }

  private:
    std::filesystem::path path_;
};

} // namespace cni
