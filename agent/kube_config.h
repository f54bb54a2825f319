#pragma once

#include "agent/http_stream.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace agent {

/// A kubeconfig or service account that cannot be used. what() names file, key and mend.
class KubeConfigError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Files with what a kubeconfig holds inline, since TLS takes files; gone with this object.
class PrivateFiles {
  public:
    PrivateFiles();
    PrivateFiles(const PrivateFiles&) = delete;
    PrivateFiles& operator=(const PrivateFiles&) = delete;
    ~PrivateFiles();
    /// Readable by this user alone. Returns its path.
    std::string write(const std::string& name, const std::string& content);

  private:
    std::filesystem::path directory_;
};

/// Where the API server is and who we are to it.
struct KubeConfig {
    std::string server; ///< "https://10.96.0.1:443"
    HttpSettings http;
    std::shared_ptr<PrivateFiles> files;
};

/// The current context of a kubeconfig file: cluster with authority, user with token, token file or
/// client certificate. Throws KubeConfigError; also for what would weaken the check of the
/// server's certificate (insecure-skip-tls-verify) or run a program (exec).
KubeConfig read_kubeconfig(const std::filesystem::path& path);

/// The service account that a pod finds mounted. Its token is read again for every request, as the
/// kubelet renews it. Throws KubeConfigError.
KubeConfig in_cluster_config();

} // namespace agent
