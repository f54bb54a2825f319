#pragma once

#include "mesh/nodes.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace agent {

/// The nodes of the mesh as the agent leaves them for the plugin, and beside them what only the
/// agent needs when it starts again.
class NodesFile {
  public:
    explicit NodesFile(std::filesystem::path path) : path_(std::move(path)) {}

    const std::filesystem::path& path() const { return path_; }

    struct Content {
        std::vector<mesh::Node> nodes;
        std::vector<mesh::Node> left_out; ///< as they were wanted
        std::string self;                 ///< this host's name; empty: not known
    };
    /// What an agent has left there; none where there is nothing. Throws std::system_error,
    /// json::SyntaxError, json::FieldError.
    std::optional<Content> read() const;

    /// Replaces it in one step. Returns its version (mesh::file_version). Throws std::system_error.
    std::string write(const std::vector<mesh::Node>& nodes, const std::vector<mesh::Node>& left_out,
                      const std::string& self);

    /// Whether it is what write() left.
    bool is_as_written() const;

  private:
    std::filesystem::path path_;
    std::string version_;
};

} // namespace agent
