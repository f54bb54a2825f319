#pragma once

#include "mesh/nodes.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mesh {

/// The nodes of the cluster. To read thousands takes longer than all else that a pod needs, so
/// those that have a version are read only when somebody asks for them: who has met the version
/// before need not.
class Cluster {
  public:
    struct Listing {
        std::vector<Node> nodes;
        std::optional<std::string> self; ///< this host's name; none: to be found by its addresses
    };

    explicit Cluster(Listing listing) : read_(std::make_shared<Reading>()) {
        read_->listing = std::move(listing);
    }
    /// `version` is another where what `read` returns is another.
    Cluster(std::string version, std::function<Listing()> read)
        : version_(std::move(version)), read_(std::make_shared<Reading>()) {
        read_->read = std::move(read);
    }

    /// Empty where there is none.
    const std::string& version() const { return version_; }

    /// Throws what `read` throws.
    const Listing& listing() const {
        if (!read_->listing)
            read_->listing = read_->read();
        return *read_->listing;
    }

  private:
    struct Reading {
        std::function<Listing()> read;
        std::optional<Listing> listing;
    };
    std::string version_;
    std::shared_ptr<Reading> read_; ///< once for all copies
};

/// Of a file that is replaced and never written over: another for each replacement; empty where
/// there is no such file.
std::string file_version(const std::filesystem::path& path);

} // namespace mesh
