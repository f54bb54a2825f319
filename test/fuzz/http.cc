#include "agent/http_stream.h"
#include "agent/kube_nodes.h"
#include "netlink/fd.h"
#include "test/fuzz/expect.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

// Any bytes as what a server on loopback answers: a status and a body, which is read as a list of
// Nodes, or HttpError. How the bytes come is of no account.

namespace {

constexpr std::size_t limit = 1024; // of the body, bytes

/// What the server sends to whoever connects.
struct Answer {
    std::string text;
    std::size_t portion = 1; ///< bytes at a time
};
Answer answer;
std::mutex answer_mutex;

void set_answer(std::string_view text, std::size_t portion) {
    const std::lock_guard guard(answer_mutex);
    answer = {std::string(text), portion};
}

Answer current_answer() {
    const std::lock_guard guard(answer_mutex);
    return answer;
}

/// Answers one connection after the other, for as long as the process lives.
void serve(int listener) {
    for (;;) {
        const netlink::Fd client(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
        expect(static_cast<bool>(client), "a client connects");
        const int on = 1;
        ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        std::array<char, 4096> buffer{};
        std::string request;
        ssize_t size = 1;
        while (size > 0 && request.find("\r\n\r\n") == request.npos) {
            size = ::read(client.get(), buffer.data(), buffer.size());
            request.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        }
        const Answer current = current_answer();
        std::string_view rest = current.text;
        while (!rest.empty()) {
            const ssize_t sent = ::send(client.get(), rest.data(),
                                        std::min(current.portion, rest.size()), MSG_NOSIGNAL);
            if (sent <= 0)
                break; // it has heard enough
            rest.remove_prefix(static_cast<std::size_t>(sent));
        }
        ::shutdown(client.get(), SHUT_WR);
        while (::read(client.get(), buffer.data(), buffer.size()) > 0) {
        }
    }
}

/// Its address.
std::string start_server() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    expect(::bind(listener, reinterpret_cast<const sockaddr*>(&address), length) == 0 &&
               ::listen(listener, 16) == 0 &&
               ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) == 0,
           "a server can be had");
    std::thread(serve, listener).detach();
    return "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

/// What came; none where it was no list. Which error comes first is a matter of time.
std::optional<std::string> get(const std::string& url,
                               const std::shared_ptr<agent::Interrupt>& interrupt) {
    try {
        agent::HttpStream stream({}, {.url = url, .limit = limit}, interrupt);
        expect(stream.status() >= 200, "a status is final");
        const auto wait = stream.retry_after().value_or(std::chrono::seconds(0));
        expect(wait.count() >= 0 && std::chrono::milliseconds(wait).count() >= 0,
               "there is a time to wait");
        agent::KubeNodes nodes;
        const std::string next = nodes.read_page(stream.body());
        return std::to_string(stream.status()) + ' ' + std::to_string(wait.count()) + ' ' + next +
               ' ' + std::to_string(nodes.size());
    } catch (const agent::HttpError& error) {
        const std::string_view sentence = error.what();
        expect(sentence.starts_with("GET " + url + ": "), "the error names the address");
    } catch (const json::SyntaxError&) {
    } catch (const json::FieldError&) {
    }
    return std::nullopt;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::string url = start_server();
    static const auto interrupt = std::make_shared<agent::Interrupt>();
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    set_answer(text, size);
    const auto whole = get(url, interrupt);
    set_answer(text, 1 + size / 3);
    expect(get(url, interrupt) == whole, "portions are of no account");
    return 0;
}
