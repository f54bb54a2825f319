#pragma once

#include "test/system/cluster.h"

#include <functional>
#include <map>
#include <string>

namespace scene {

/// ipip-cni as it is installed on a host: the files in its /etc, in the directory of its plugins
/// and in its /run, and the command that takes it all away.
class Installation {
  public:
    explicit Installation(const Host& host) : host_(host) {}

    /// The list that ipipd installs, with this plugin's configuration in it.
    void put_configuration(const std::string& plugin) const;
    /// Configuration, programs and drop-ins, as ipipd leaves them.
    void put_all(const std::string& plugin) const;

    std::filesystem::path bin_dir() const { return bin_.path(); }
    std::filesystem::path conf_dir() const { return etc_.path() / "cni/net.d"; }
    /// "systemd/network/x" is the host's /etc/systemd/network/x.
    std::filesystem::path etc(const std::string& path) const { return etc_.path() / path; }
    /// Makes a file, and the directories that lead to it.
    static void put(const std::filesystem::path& file, const std::string& text = "x");

    /// The content of each file of the host, by its path here.
    std::map<std::string, std::string> files() const;

    /// How ipipctl is run.
    struct Way {
        Words arguments = {};
        Words wrapper = {};                 ///< a program that runs it, with its arguments
        std::function<void()> prepare = {}; ///< called in its process before it starts
    };
    Output ctl(const Way& way) const;
    /// `arguments` are those of the command uninstall; the directory of the plugins is told.
    Output uninstall_by(Way way) const;
    Output uninstall(const Words& arguments = {}) const {
        return uninstall_by({.arguments = arguments});
    }

  private:
    const Host& host_;
    Folder etc_;
    Folder bin_;
};

} // namespace scene
