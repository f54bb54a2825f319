#pragma once

#include "test/system/cluster.h"

#include <string>

namespace scene {

/// An IPAM plugin of the test's own: a shell script in a folder of CNI_PATH, which notes how it is
/// called and does as it is told.
class ScriptedPlugin {
  public:
    explicit ScriptedPlugin(std::string name = "scripted");

    const std::string& name() const { return name_; }
    std::string program() const { return folder_.path() / name_; }
    /// The folder for CNI_PATH.
    std::string path() const { return folder_.path(); }

    /// Shell lines that `verb` runs. Without, it says nothing and succeeds.
    void on(const std::string& verb, const std::string& lines) const;
    /// An ADD that gives this document.
    void gives(const Json& result) const;

    /// The verbs of its calls, a blank between them.
    std::string calls() const;
    void forget_calls() const { std::filesystem::remove(folder_.path() / "calls"); }
    /// What came on standard input of the last call of `verb`.
    Json config(const std::string& verb) const;
    /// A variable of the environment in the last call of `verb`.
    std::string variable(const std::string& verb, const std::string& name) const;
    /// A file that the lines wrote into their working directory.
    std::string text(const std::string& file) const;

  private:
    std::string name_;
    Folder folder_;
};

} // namespace scene
