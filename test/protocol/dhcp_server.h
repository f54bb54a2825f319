#pragma once

#include "test/kernel/scene.h"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace scene {

/// A DHCP server (RFC 2131) of one address, on all devices of a namespace.
class DhcpServer {
  public:
    struct Offer {
        std::string address;
        std::string mask;
        std::string router;
    };
    DhcpServer(const Namespace& space, Offer offer);
    DhcpServer(const DhcpServer&) = delete;
    DhcpServer& operator=(const DhcpServer&) = delete;
    ~DhcpServer();

    /// The messages that came, in the standard's words: "DISCOVER REQUEST RELEASE". Waits until
    /// there are `count`.
    std::string heard(std::size_t count) const;

  private:
    void serve();
    void answer();

    Offer offer_;
    int socket_;
    int stop_;                 ///< an eventfd
    mutable std::mutex mutex_; ///< of heard_
    mutable std::condition_variable more_;
    std::vector<std::string> heard_;
    std::thread thread_; // last: it uses the others
};

/// The daemon of the reference plugin dhcp, which speaks for the pods; it ends with this.
class DhcpDaemon {
  public:
    /// `socket` is the path at which the plugin finds it.
    DhcpDaemon(const Namespace& space, const std::string& socket);
    DhcpDaemon(const DhcpDaemon&) = delete;
    DhcpDaemon& operator=(const DhcpDaemon&) = delete;
    ~DhcpDaemon();

  private:
    int process_;
};

} // namespace scene
