#pragma once

#include "agent/interrupt.h"

#include <chrono>
#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace agent {

/// The server could not be reached, broke off, or fell silent. what() names the address and why.
class HttpError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// How to speak to a server.
struct HttpSettings {
    std::string ca_file;                ///< the only authorities that are believed
    std::string client_certificate;     ///< file; empty: none
    std::string client_key;             ///< file
    std::function<std::string()> token; ///< asked for each request, as it is renewed; empty: none
};

struct HttpRequest {
    std::string method = "GET";
    std::string url;
    std::string body = {};
    std::string content_type = {};
    /// No byte for so long, and the connection is taken for dead.
    std::chrono::seconds silence{30};
    /// The answer may be this long, bytes; a longer one is an error. 0: any length.
    std::size_t limit = 0;
};

/// One request; its answer is read as it comes, and never held as a whole. Certificates are
/// verified always.
///
/// Reading waits for the server; it throws HttpError (also from inside of std::istream's
/// operations) where the connection fails.
class HttpStream {
  public:
    /// Sends the request and waits for the status line and the headers. Throws HttpError.
    HttpStream(const HttpSettings& settings, const HttpRequest& request,
               const std::shared_ptr<Interrupt>& interrupt);
    HttpStream(const HttpStream&) = delete;
    HttpStream& operator=(const HttpStream&) = delete;
    ~HttpStream();

    /// 200 or more: interim answers are passed over. One beyond 599 is possible too and counts as a
    /// failure of the server (RFC 9110, section 15).
    long status() const;
    /// Of a header such as Retry-After, in seconds; none where it is missing.
    std::optional<std::chrono::seconds> retry_after() const;
    std::istream& body();
    /// The first bytes of the body, for an error.
    std::string beginning();

  private:
    class Transfer;
    std::unique_ptr<Transfer> transfer_;
    std::unique_ptr<std::istream> body_;
};

} // namespace agent
