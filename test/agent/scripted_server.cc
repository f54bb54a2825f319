#include "test/agent/scripted_server.h"

#include <arpa/inet.h>
#include <cstdlib>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>

namespace agent {

namespace {

template <auto Free>
struct Deleter {
    template <typename Object>
    void operator()(Object* object) const {
        Free(object);
    }
};
using Context = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Deleter<SSL_free>>;

void check(bool good, const char* tried) {
    if (!good)
        throw std::runtime_error(std::string("cannot ") + tried);
}

} // namespace

struct ScriptedServer::Tls {
    Context context{SSL_CTX_new(TLS_server_method())};
};

ScriptedServer::ScriptedServer(Answer answer)
    : answer_(std::move(answer)), tls_(std::make_unique<Tls>()),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    std::string pattern = (std::filesystem::temp_directory_path() / "ipip-tls-XXXXXX").string();
    check(::mkdtemp(pattern.data()) != nullptr, "make a folder");
    folder_ = pattern;
    const std::string key = folder_ / "key";
    const std::string certificate = folder_ / "certificate";
    const std::string make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                             "-subj /CN=test -addext subjectAltName=IP:127.0.0.1 -days 2 -keyout " +
                             key + " -out " + certificate + " 2>/dev/null";
    check(std::system(make.c_str()) == 0, "make a certificate with openssl");
    check(SSL_CTX_use_certificate_file(tls_->context.get(), certificate.c_str(),
                                       SSL_FILETYPE_PEM) == 1 &&
              SSL_CTX_use_PrivateKey_file(tls_->context.get(), key.c_str(), SSL_FILETYPE_PEM) == 1,
          "use the certificate");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    check(::bind(listener_.get(), generic, size) == 0 && ::listen(listener_.get(), 16) == 0 &&
              ::getsockname(listener_.get(), generic, &size) == 0,
          "listen");
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] { serve(); });
}

ScriptedServer::~ScriptedServer() {
    ends_ = true;
    thread_.join();
    connections_.clear();
    std::filesystem::remove_all(folder_);
}

KubeConfig ScriptedServer::config() const {
    KubeConfig config{
        .server = "https://127.0.0.1:" + std::to_string(port_), .http = {}, .files = nullptr};
    config.http.ca_file = folder_ / "certificate";
    return config;
}

std::vector<std::string> ScriptedServer::requests() const {
    const std::lock_guard guard(mutex_);
    return requests_;
}

std::string ScriptedServer::response(int status, const std::string& body,
                                     const std::string& headers) {
    return "HTTP/1.1 " + std::to_string(status) + " Scripted\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" +
           body;
}

std::string ScriptedServer::stream() {
    return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
}

void ScriptedServer::serve() {
    while (!ends_) {
        pollfd wait{listener_.get(), POLLIN, 0};
        if (::poll(&wait, 1, 20) != 1)
            continue;
        auto connection = std::make_shared<netlink::Fd>(
            ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (*connection)
            connections_.emplace_back([this, connection] { talk(*connection); });
    }
}

void ScriptedServer::talk(const netlink::Fd& connection) {
    const Session session(SSL_new(tls_->context.get()));
    if (SSL_set_fd(session.get(), connection.get()) != 1 || SSL_accept(session.get()) != 1)
        return;
    std::string request;
    char byte = 0;
    while (request.find("\r\n\r\n") == std::string::npos && SSL_read(session.get(), &byte, 1) == 1)
        request += byte;
    request = request.substr(0, request.find(" HTTP/"));
    {
        const std::lock_guard guard(mutex_);
        requests_.push_back(request);
    }
    answer_(request, [&](std::string_view text) {
        while (!text.empty() && !ends_) {
            const int written =
                SSL_write(session.get(), text.data(), static_cast<int>(text.size()));
            if (written <= 0)
                return false;
            text.remove_prefix(static_cast<std::size_t>(written));
        }
        return !ends_;
    });
    SSL_shutdown(session.get());
}

} // namespace agent
