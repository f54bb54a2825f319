#include "agent/http_stream.h"

#include <algorithm>
#include <charconv>
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <streambuf>
#include <string_view>
#include <utility>

namespace agent {

namespace {

struct EasyDeleter {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct MultiDeleter {
    void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct ListDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

constexpr long connect_timeout = 10; // seconds

} // namespace

/// The transfer as a buffer that fills itself when it has been read empty.
class HttpStream::Transfer : public std::streambuf {
  public:
    Transfer(const HttpSettings& settings, const HttpRequest& request,
             std::shared_ptr<Interrupt> interrupt)
        : interrupt_(std::move(interrupt)), request_(request), easy_(curl_easy_init()),
          multi_(curl_multi_init()) {
        if (!easy_ || !multi_)
            throw std::bad_alloc();
        configure(settings);
        curl_multi_add_handle(multi_.get(), easy_.get());
        while (status_ == 0 && !done_)
            proceed();
        if (status_ == 0)
            fail("it closed the connection without an answer");
    }
    ~Transfer() override { curl_multi_remove_handle(multi_.get(), easy_.get()); }
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    long status() const { return status_; }
    std::optional<std::chrono::seconds> retry_after() const { return retry_after_; }

  protected:
    int_type underflow() override {
        while (incoming_.empty() && !done_)
            proceed();
        if (incoming_.empty())
            return traits_type::eof();
        received_ += incoming_.size();
        if (request_.limit != 0 && received_ > request_.limit)
            fail("it answered with more than " + std::to_string(request_.limit >> 20) + " MiB");
        read_ = std::exchange(incoming_, {});
        setg(read_.data(), read_.data(), read_.data() + read_.size());
        return traits_type::to_int_type(read_.front());
    }

  private:
    void configure(const HttpSettings& settings) {
        CURL* easy = easy_.get();
        curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,http");
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, connect_timeout);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request_.silence.count()));
        // A watch may be silent for long; a peer that vanished is found out all the same.
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 15L);
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 15L);
        curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, &Transfer::limit_silence);
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "ipipd");
        if (!settings.ca_file.empty())
            curl_easy_setopt(easy, CURLOPT_CAINFO, settings.ca_file.c_str());
        if (!settings.client_certificate.empty()) {
            curl_easy_setopt(easy, CURLOPT_SSLCERT, settings.client_certificate.c_str());
            curl_easy_setopt(easy, CURLOPT_SSLKEY, settings.client_key.c_str());
        }
        if (settings.token)
            add_header("Authorization: Bearer " + settings.token());
        add_header("Accept: application/json");
        if (!request_.body.empty()) {
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_.body.c_str());
            add_header("Content-Type: " + request_.content_type);
        }
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::take_body);
        curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
        curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::take_header);
    }

    static int limit_silence(void*, curl_socket_t socket, curlsocktype) {
        constexpr unsigned unanswered = 45'000; // milliseconds, also of probes; tcp(7)
        ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof unanswered);
        return CURL_SOCKOPT_OK;
    }

    void add_header(const std::string& line) {
        curl_slist* longer = curl_slist_append(headers_.get(), line.c_str());
        if (longer == nullptr)
            throw std::bad_alloc();
        (void)headers_.release(); // it is the beginning of the longer one
        headers_.reset(longer);
    }

    static std::size_t take_body(char* data, std::size_t, std::size_t size, void* self) {
        static_cast<Transfer*>(self)->incoming_.append(data, size);
        return size;
    }

    static std::size_t take_header(char* data, std::size_t, std::size_t size, void* self) {
        auto& transfer = *static_cast<Transfer*>(self);
        std::string_view line(data, size);
        while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
            line.remove_suffix(1);
        constexpr std::string_view key = "retry-after:";
        if (line.empty()) { // the end of the headers
            long status = 0;
            curl_easy_getinfo(transfer.easy_.get(), CURLINFO_RESPONSE_CODE, &status);
            if (status >= 200)
                transfer.status_ = status;
        } else if (line.size() > key.size() &&
                   curl_strnequal(line.data(), key.data(), key.size())) {
            line.remove_prefix(std::min(line.find_first_not_of(' ', key.size()), line.size()));
            unsigned seconds = 0; // so that none is negative, nor longer than any clock
            if (std::from_chars(line.data(), line.data() + line.size(), seconds).ec == std::errc())
                transfer.retry_after_ = std::chrono::seconds(seconds);
        }
        return size;
    }

    /// Lets the transfer go on, and waits where it cannot.
    void proceed() {
        int running = 0;
        const std::size_t before = incoming_.size();
        const long status_before = status_;
        curl_multi_perform(multi_.get(), &running);
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
            done_ = true;
            if (message->msg == CURLMSG_DONE && message->data.result != CURLE_OK)
                fail(reason_of(message->data.result));
        }
        if (done_ || incoming_.size() != before || status_ != status_before)
            return;
        curl_waitfd interrupt{interrupt_->fd(), CURL_WAIT_POLLIN, 0};
        curl_multi_poll(multi_.get(), &interrupt, 1, 1000, nullptr);
        if (interrupt.revents != 0)
            throw HttpError("interrupted");
    }

    /// The kernel's reason is worth more than that there is one.
    std::string reason_of(CURLcode result) {
        std::string reason = error_[0] != '\0' ? error_ : curl_easy_strerror(result);
        long number = 0;
        if (result == CURLE_COULDNT_CONNECT)
            curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &number);
        if (number != 0)
            reason += ": " + std::generic_category().message(static_cast<int>(number));
        return reason;
    }

    [[noreturn]] void fail(const std::string& why) const {
        throw HttpError(request_.method + ' ' + request_.url + ": " + why);
    }

    std::shared_ptr<Interrupt> interrupt_;
    HttpRequest request_;
    std::unique_ptr<curl_slist, ListDeleter> headers_;
    std::unique_ptr<CURL, EasyDeleter> easy_;
    std::unique_ptr<CURLM, MultiDeleter> multi_;
    char error_[CURL_ERROR_SIZE] = {};
    std::string incoming_;     ///< come since the last underflow()
    std::string read_;         ///< what is being read
    std::size_t received_ = 0; ///< of the body, bytes
    long status_ = 0;
    std::optional<std::chrono::seconds> retry_after_;
    bool done_ = false;
};

HttpStream::HttpStream(const HttpSettings& settings, const HttpRequest& request,
                       const std::shared_ptr<Interrupt>& interrupt)
    : transfer_(std::make_unique<Transfer>(settings, request, interrupt)),
      body_(std::make_unique<std::istream>(transfer_.get())) {
    body_->exceptions(std::ios::badbit); // which a streambuf's exception becomes, and is thrown
}

HttpStream::~HttpStream() = default;

long HttpStream::status() const {
    return transfer_->status();
}

std::optional<std::chrono::seconds> HttpStream::retry_after() const {
    return transfer_->retry_after();
}

std::istream& HttpStream::body() {
    return *body_;
}

std::string HttpStream::beginning() {
    std::string text(300, '\0');
    body_->read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(body_->gcount()));
    return text;
}

} // namespace agent
