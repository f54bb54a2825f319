#pragma once

#include "mesh/nodes.h"

#include <filesystem>
#include <functional>
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

    explicit Cluster(Listing listing) : listing_(std::move(listing)) {}
    /// `version` is another where what `read` returns is another.
    Cluster(std::string version, std::function<Listing()> read)
        : version_(std::move(version)), read_(std::move(read)) {}

    /// Empty where there is none.
    const std::string& version() const { return version_; }

    /// Throws what `read` throws.
    const Listing& listing() const {
        if (!listing_)
            listing_ = read_();
        return *listing_;
    }

  private:
    std::string version_;
    std::function<Listing()> read_;
    mutable std::optional<Listing> listing_;
};

/// Of a file that is replaced and never written over: another for each replacement; empty where
/// there is no such file.
std::string file_version(const std::filesystem::path& path);

} // namespace mesh
