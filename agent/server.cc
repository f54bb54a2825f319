#include "agent/server.h"

#include <CivetServer.h>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <semaphore>
#include <stdexcept>
#include <vector>

namespace agent {

namespace {

struct Answer {
    int status;
    std::string body;
};

/// GET of one path.
class Page : public CivetHandler {
  public:
    Page(std::string type, std::function<Answer()> answer)
        : type_(std::move(type)), answer_(std::move(answer)) {}

    bool handleGet(CivetServer*, mg_connection* connection) override {
        const Answer answer = answer_();
        mg_printf(connection,
                  "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                  "Connection: close\r\n\r\n",
                  answer.status, answer.status == 200 ? "OK" : "Service Unavailable", type_.c_str(),
                  answer.body.size());
        mg_write(connection, answer.body.data(), answer.body.size());
        return true;
    }

  private:
    std::string type_;
    std::function<Answer()> answer_;
};

std::vector<std::string> options_for(const std::string& address) {
    const std::string port = address.starts_with(':') ? address.substr(1) : address;
    return {"listening_ports",    port,    "num_threads",           "2",
            "request_timeout_ms", "10000", "keep_alive_timeout_ms", "0"};
}

} // namespace

class Server::Handlers {
  public:
    Handlers(const std::string& address, const Health& health,
             std::shared_ptr<const Metrics> metrics)
        : server_(options_for(address), &callbacks(), this) {
        require_threads();
        constexpr const char* plain = "text/plain; charset=utf-8";
        add("/healthz", plain, [] { return Answer{200, "ok\n"}; });
        add("/readyz", plain, [&health] {
            const Condition now = health.now();
            return Answer{now.ready() ? 200 : 503, now.sentence() + '\n'};
        });
        add("/metrics", "text/plain; version=0.0.4", [metrics = std::move(metrics)] {
            return Answer{200, metrics->text()};
        });
    }

  private:
    static const CivetCallbacks& callbacks() {
        static const CivetCallbacks callbacks = [] {
            CivetCallbacks chosen;
            chosen.init_thread = [](const mg_context* context, int type) -> void* {
                constexpr int master = 0;
                const auto* server = static_cast<const CivetServer*>(mg_get_user_data(context));
                const auto* self = static_cast<const Handlers*>(server->getUserContext());
                if (type == master)
                    self->accepting_.release();
                return nullptr;
            };
            return chosen;
        }();
        return callbacks;
    }

    /// civetweb does not look whether its thread that takes connections could be started, and would
    /// wait for its end for good.
    void require_threads() {
        if (accepting_.try_acquire_for(std::chrono::seconds(10)))
            return;
        std::fputs("ipipd: cannot start the threads of the HTTP server; let this process have more "
                   "memory and threads\n",
                   stderr);
        std::_Exit(1);
    }

    void add(const std::string& path, const char* type, std::function<Answer()> answer) {
        const auto [page, is_new] =
            pages_.emplace(path, std::make_unique<Page>(type, std::move(answer)));
        server_.addHandler(path, *page->second);
    }

    // Both outlive the server's threads.
    std::map<std::string, std::unique_ptr<Page>> pages_;
    mutable std::binary_semaphore accepting_{0};
    CivetServer server_;
};

Server::Server(const std::string& address, const Health& health,
               std::shared_ptr<const Metrics> metrics) try
    : handlers_(std::make_unique<Handlers>(address, health, std::move(metrics))) {
} catch (const CivetException&) {
    throw std::runtime_error("--listen: " + address +
                             " cannot be listened to; give a free IPv4 address of this host, such "
                             "as 127.0.0.1:9094, and let this process have threads");
}

Server::~Server() = default;

} // namespace agent
