#pragma once

#include "agent/kube_config.h"
#include "netlink/fd.h"

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace agent {

/// A server on loopback, with TLS and a certificate of its own, that answers as a test tells it:
/// for what no real API server can be brought to say.
class ScriptedServer {
  public:
    /// Writes to the client; false where that has gone.
    using Write = std::function<bool(std::string_view)>;
    /// Called with "GET /path", on the connection's thread. When it returns, the connection closes.
    using Answer = std::function<void(const std::string& request, const Write& write)>;

    explicit ScriptedServer(Answer answer);
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;
    ~ScriptedServer();

    /// How to get there, with the right authority.
    KubeConfig config() const;
    /// All that it was asked.
    std::vector<std::string> requests() const;
    /// Whether it is to end: an answer that goes on for ever asks this.
    bool ends() const { return ends_; }

    /// An answer of this status with this body, as a whole.
    static std::string response(int status, const std::string& body,
                                const std::string& headers = {});
    /// The beginning of an answer that goes on until the connection closes.
    static std::string stream();

  private:
    void serve();
    void talk(const netlink::Fd& connection);

    struct Tls;
    Answer answer_;
    std::filesystem::path folder_;
    std::unique_ptr<Tls> tls_;
    netlink::Fd listener_;
    int port_ = 0;
    std::atomic<bool> ends_ = false;
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
    std::vector<std::jthread> connections_;
    std::jthread thread_;
};

} // namespace agent
