#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace scene {

/// A certificate authority of the test's own, made with openssl(1).
class Authority {
  public:
    /// Everything is kept in `folder`, which must be there.
    explicit Authority(std::filesystem::path folder);

    /// Paths of PEM files.
    struct Pair {
        std::string certificate;
        std::string key;
    };

    /// For clients to know its servers by.
    std::string certificate() const { return folder_ / "ca.crt"; }
    /// For a server at these IP addresses.
    Pair server(const std::string& file, const std::vector<std::string>& addresses) const;
    /// For a user; the API server takes the organisation for the user's group.
    Pair client(const std::string& file, const std::string& user, const std::string& group) const;

  private:
    Pair sign(const std::string& file, const std::string& subject, const std::string& extensions,
              bool by_itself = false) const;
    std::filesystem::path folder_;
};

} // namespace scene
