#include "test/kubernetes/client.h"

#include <curl/curl.h>
#include <optional>

namespace scene {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

// For one answer; many times what it takes on an emulated processor.
constexpr seconds patience_for_answer{300};

void check(CURLcode code, const std::string& tried) {
    if (code != CURLE_OK)
        throw std::runtime_error(tried + ": " + curl_easy_strerror(code));
}

void check(CURLMcode code) {
    if (code != CURLM_OK)
        throw std::runtime_error(curl_multi_strerror(code));
}

bool is_success(long status) {
    return status >= 200 && status < 300;
}

/// Takes the bytes of a body; returns whether to go on.
using Sink = std::function<bool(std::string_view)>;

std::size_t pass_on(char* bytes, std::size_t, std::size_t size, void* sink) {
    return (*static_cast<Sink*>(sink))({bytes, size}) ? size : 0;
}

/// A request under way.
class Transfer {
  public:
    Transfer(const std::string& server, const std::string& authority, const Identity& identity,
             const Request& request, seconds patience)
        : easy_(curl_easy_init()), what_(request.method + ' ' + server + request.path) {
        set(CURLOPT_URL, (server + request.path).c_str());
        set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
        set(CURLOPT_PROXY, "");
        set(CURLOPT_CAINFO, authority.c_str());
        set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
        set(CURLOPT_PIPEWAIT, 1L); // one connection for all
        set(CURLOPT_TIMEOUT_MS, static_cast<long>(milliseconds(patience).count()));
        set(CURLOPT_NOSIGNAL, 1L);
        if (!identity.certificate.empty()) {
            set(CURLOPT_SSLCERT, identity.certificate.c_str());
            set(CURLOPT_SSLKEY, identity.key.c_str());
        }
        if (!identity.token.empty())
            header("Authorization: Bearer " + identity.token);
        if (request.metadata_only)
            header("Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
        if (!request.body.empty()) {
            header("Content-Type: " + request.content_type);
            set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
            set(CURLOPT_COPYPOSTFIELDS, request.body.c_str());
        }
        set(CURLOPT_HTTPHEADER, headers_);
        set(CURLOPT_WRITEFUNCTION, &pass_on);
        set(CURLOPT_WRITEDATA, &sink_);
    }
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    ~Transfer() {
        curl_easy_cleanup(easy_);
        curl_slist_free_all(headers_);
    }

    CURL* easy() { return easy_; }
    const std::string& what() const { return what_; }
    void set_sink(Sink sink) { sink_ = std::move(sink); }
    Response response() {
        Response response{0, std::move(body_)};
        curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &response.status);
        return response;
    }

    CURLcode result = CURLE_OK; ///< once it has ended

  private:
    template <typename Value>
    void set(CURLoption option, Value value) {
        check(curl_easy_setopt(easy_, option, value), what_);
    }
    void header(const std::string& line) { headers_ = curl_slist_append(headers_, line.c_str()); }

    CURL* easy_;
    std::string what_;
    curl_slist* headers_ = nullptr;
    std::string body_;
    Sink sink_ = [this](std::string_view bytes) {
        body_ += bytes;
        return true;
    };
};

} // namespace

Refusal::Refusal(const Request& request, const Response& response)
    : std::runtime_error(request.method + ' ' + request.path + ": " +
                         std::to_string(response.status) + ' ' + response.body),
      status_(response.status) {}

class Client::Connections {
  public:
    Connections(std::string server, std::string authority, Identity identity)
        : server_(std::move(server)), authority_(std::move(authority)),
          identity_(std::move(identity)), multi_(curl_multi_init()) {}
    Connections(const Connections&) = delete;
    Connections& operator=(const Connections&) = delete;
    ~Connections() { curl_multi_cleanup(multi_); }

    std::unique_ptr<Transfer> transfer(const Request& request, seconds patience) const {
        return std::make_unique<Transfer>(server_, authority_, identity_, request, patience);
    }

    /// Until all have ended.
    void perform(const std::vector<std::unique_ptr<Transfer>>& transfers) {
        std::size_t begun = 0;
        std::size_t ended = 0;
        while (ended < transfers.size()) {
            for (; begun < transfers.size() && begun - ended < at_once; ++begun) {
                curl_easy_setopt(transfers[begun]->easy(), CURLOPT_PRIVATE, transfers[begun].get());
                check(curl_multi_add_handle(multi_, transfers[begun]->easy()));
            }
            int left = 0;
            check(curl_multi_perform(multi_, &left));
            const std::size_t now = collect();
            if (now == 0)
                check(curl_multi_poll(multi_, nullptr, 0, 1000, nullptr));
            ended += now;
        }
    }

  private:
    // curl looks at each of them again and again.
    static constexpr std::size_t at_once = 32;

    /// How many have ended since the last time.
    std::size_t collect() {
        std::size_t ended = 0;
        int more = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi_, &more)) {
            Transfer* transfer = nullptr;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
            transfer->result = message->data.result;
            curl_multi_remove_handle(multi_, transfer->easy());
            ++ended;
        }
        return ended;
    }

    std::string server_;
    std::string authority_;
    Identity identity_;
    CURLM* multi_;
};

Client::Client(std::string server, std::string authority, Identity identity)
    : connections_(std::make_unique<Connections>(std::move(server), std::move(authority),
                                                 std::move(identity))) {}

Client::~Client() = default;
Client::Client(Client&&) noexcept = default;

Response Client::send(const Request& request) const {
    return send_all({request}).front();
}

std::vector<Response> Client::send_all(const std::vector<Request>& requests) const {
    std::vector<std::unique_ptr<Transfer>> transfers;
    for (const Request& request : requests)
        transfers.push_back(connections_->transfer(request, patience_for_answer));
    connections_->perform(transfers);
    std::vector<Response> responses;
    for (const auto& transfer : transfers) {
        check(transfer->result, transfer->what());
        responses.push_back(transfer->response());
    }
    return responses;
}

bool Client::follow(const std::string& path, const std::function<bool(const Json& event)>& done,
                    seconds patience) const {
    std::vector<std::unique_ptr<Transfer>> transfers;
    transfers.push_back(connections_->transfer({.path = path}, patience));
    std::string text;
    bool is_done = false;
    std::exception_ptr error;
    transfers.front()->set_sink([&](std::string_view bytes) {
        try { // no exception may pass through curl
            text += bytes;
            for (std::size_t end = 0; !is_done && (end = text.find('\n')) != text.npos;) {
                is_done = done(Json::parse(text.substr(0, end)));
                text.erase(0, end + 1);
            }
        } catch (...) {
            error = std::current_exception();
        }
        return !is_done && !error;
    });
    connections_->perform(transfers);
    if (error)
        std::rethrow_exception(error);
    if (const CURLcode result = transfers.front()->result;
        !is_done && result != CURLE_OPERATION_TIMEDOUT)
        check(result, transfers.front()->what());
    if (const Response response = transfers.front()->response();
        !is_done && response.status != 0 && !is_success(response.status))
        throw Refusal({.path = path}, {response.status, text});
    return is_done;
}

namespace {

const Response& accepted(const Request& request, const Response& response) {
    if (!is_success(response.status))
        throw Refusal(request, response);
    return response;
}

} // namespace

Json Client::get(const std::string& path) const {
    const Request request{.path = path};
    return accepted(request, send(request)).json();
}

Json Client::create(const std::string& collection, const Json& object) const {
    const Request request{.method = "POST", .path = collection, .body = object.dump()};
    return accepted(request, send(request)).json();
}

void Client::create_all(const std::string& collection, const std::vector<Json>& objects) const {
    std::vector<Request> requests;
    for (const Json& object : objects)
        requests.push_back(
            {.method = "POST", .path = collection, .body = object.dump(), .metadata_only = true});
    const std::vector<Response> responses = send_all(requests);
    for (std::size_t i = 0; i < requests.size(); ++i)
        accepted(requests[i], responses[i]);
}

Json Client::merge(const std::string& path, const Json& changes) const {
    const Request request{.method = "PATCH",
                          .path = path,
                          .body = changes.dump(),
                          .content_type = "application/merge-patch+json"};
    return accepted(request, send(request)).json();
}

void Client::remove(const std::string& path) const {
    remove_all({path});
}

void Client::remove_all(const std::vector<std::string>& paths) const {
    std::vector<Request> requests;
    for (const std::string& path : paths)
        requests.push_back({.method = "DELETE", .path = path, .metadata_only = true});
    const std::vector<Response> responses = send_all(requests);
    for (std::size_t i = 0; i < requests.size(); ++i)
        if (responses[i].status != 404)
            accepted(requests[i], responses[i]);
}

bool Client::await(const std::string& collection, const std::string& name,
                   const std::function<bool(const Json& object)>& wanted, seconds patience) const {
    const auto deadline = Clock::now() + patience;
    const std::string query = collection + "?fieldSelector=metadata.name%3D" + name;
    // A watch may end at any time; then it begins anew.
    do {
        const Json list = get(query);
        if (wanted(list.at("items").empty() ? Json() : list.at("items").at(0)))
            return true;
        const auto left = std::chrono::ceil<seconds>(deadline - Clock::now());
        const std::string version = list.at("metadata").at("resourceVersion");
        if (left > seconds(0) && follow(
                                     query + "&watch=1&resourceVersion=" + version,
                                     [&](const Json& event) {
                                         const std::string& type = event.at("type");
                                         return type != "ERROR" &&
                                                wanted(type == "DELETED" ? Json()
                                                                         : event.at("object"));
                                     },
                                     left))
            return true;
    } while (Clock::now() < deadline);
    return false;
}

Json condition(const Json& node, const std::string& type) {
    return find(node.value(Json::json_pointer("/status/conditions"), Json::array()), "type", type);
}

} // namespace scene
