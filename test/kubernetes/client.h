#pragma once

#include "test/kernel/scene.h"

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// A client of the API server, for the tests alone.

namespace scene {

/// Who asks: one with a client certificate, or with a token, or nobody.
struct Identity {
    std::string certificate = {}; ///< file
    std::string key = {};         ///< file
    std::string token = {};
};

struct Request {
    std::string method = "GET";
    std::string path; ///< with the query, if there is one
    std::string body = {};
    std::string content_type = "application/json";
    bool metadata_only = false; ///< be answered with the object's metadata alone
};

struct Response {
    long status;
    std::string body;
    Json json() const { return Json::parse(body); }
};

/// The server said no; what() is the request and the server's words.
class Refusal : public std::runtime_error {
  public:
    Refusal(const Request& request, const Response& response);
    long status() const { return status_; }

  private:
    long status_;
};

/// Connections are kept from one call to the next. Not to be used by two threads at once.
///
/// What cannot be sent or is not answered in time throws std::runtime_error.
class Client {
  public:
    /// `server` is "https://127.0.0.1:6443", `authority` the file of who must have signed its
    /// certificate.
    Client(std::string server, std::string authority, Identity identity);
    ~Client();
    Client(Client&&) noexcept;
    Client& operator=(Client&&) = delete;

    Response send(const Request& request) const;
    /// All at once over one connection; the answers in the requests' order.
    std::vector<Response> send_all(const std::vector<Request>& requests) const;

    /// Reads the events of a watch until `done` says so of one. False where the watch ends before
    /// that, or `patience` does.
    bool follow(const std::string& path, const std::function<bool(const Json& event)>& done,
                std::chrono::seconds patience) const;

    // The paths are "/api/v1/nodes", and "/api/v1/nodes/host1" for one of them. All throw Refusal
    // where the server does not do it, but for remove() where the object is not there.
    Json get(const std::string& path) const;
    Json create(const std::string& collection, const Json& object) const;
    Json merge(const std::string& path, const Json& changes) const; ///< a JSON merge patch
    void remove(const std::string& path) const;
    void create_all(const std::string& collection, const std::vector<Json>& objects) const;
    void remove_all(const std::vector<std::string>& paths) const;

    /// Waits until the object is as `wanted`; returns whether it came to that in time. Null stands
    /// for an object that is not there.
    bool await(const std::string& collection, const std::string& name,
               const std::function<bool(const Json& object)>& wanted,
               std::chrono::seconds patience = std::chrono::seconds(60)) const;

  private:
    class Connections;
    std::unique_ptr<Connections> connections_;
};

/// Status, reason and message of a Node's condition such as "NetworkUnavailable", with the times;
/// null where it has none of that type.
Json condition(const Json& node, const std::string& type);

} // namespace scene
