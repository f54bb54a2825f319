#include "agent/kube_source.h"

#include "agent/kube_nodes.h"
#include "agent/log.h"

#include <algorithm>
#include <optional>
#include <random>

namespace agent {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int page = 250;          // objects; of 15 KiB each, a few MiB
constexpr seconds watch_time{300}; // the server ends it then, and we go on
constexpr seconds silence{60};
constexpr seconds longest_wait{30};
constexpr std::size_t longest_page = 64 << 20;

/// Waits longer after each failure, and never all nodes of a cluster at once.
class Backoff {
  public:
    milliseconds next() {
        const milliseconds whole = delay_;
        delay_ = std::min<milliseconds>(delay_ * 2, longest_wait);
        return std::uniform_int_distribution<milliseconds::rep>(whole.count() / 2,
                                                                whole.count())(random_) *
               milliseconds(1);
    }
    void reset() { delay_ = first; }

  private:
    static constexpr milliseconds first{500};
    milliseconds delay_ = first;
    std::mt19937 random_{std::random_device{}()};
};

std::string shown(const std::string& text) {
    std::string line = text.substr(0, 200);
    std::ranges::replace(line, '\n', ' ');
    return '"' + line + '"';
}

} // namespace

/// Lists and watches until it is interrupted; everything happens on the calling thread.
class KubeSource::Follower {
  public:
    Follower(const KubeConfig& config, KubeCounters& counters, std::shared_ptr<Interrupt> interrupt,
             Deliver deliver)
        : config_(config), counters_(counters), interrupt_(std::move(interrupt)),
          deliver_(std::move(deliver)) {}

    void run() {
        Backoff backoff;
        for (bool go_on = true; go_on;) {
            const auto start = std::chrono::steady_clock::now();
            bool failed = true;
            milliseconds at_least{0};
            try {
                if (nodes_.version().empty())
                    list();
                watch();
                failed = false;
            } catch (const Refused& refused) {
                if (refused.gone)
                    nodes_.forget_version();
                report(refused.what());
                at_least = std::min(refused.retry_after.value_or(seconds(0)), longest_wait);
            } catch (const std::exception& error) { // the connection, or what came over it
                report(error.what());
            }
            const auto lasted = std::chrono::steady_clock::now() - start;
            if (lasted > longest_wait)
                backoff.reset();
            const bool in_haste = failed || lasted < seconds(1);
            go_on = interrupt_->sleep(std::max(at_least, in_haste ? backoff.next() : at_least));
        }
    }

  private:
    void report(const std::string& why) {
        if (!interrupt_->sleep(milliseconds(0)))
            return; // it was told to stop, which is no failure
        ++counters_.failures;
        log_warning("Kubernetes: " + why);
    }

    std::unique_ptr<HttpStream> get(const std::string& query, seconds patience,
                                    std::size_t limit = 0) {
        auto answer = std::make_unique<HttpStream>(
            config_.http,
            HttpRequest{.url = config_.server + "/api/v1/nodes?" + query,
                        .silence = patience,
                        .limit = limit},
            interrupt_);
        if (answer->status() == 200)
            return answer;
        const std::string body = answer->beginning();
        std::string mend;
        if (answer->status() == 401)
            mend = "; the token is not known to this server";
        if (answer->status() == 403)
            mend = "; allow list and watch of nodes (manifests: ClusterRole ipipd)";
        throw Refused("the server " + config_.server + " answered " +
                          std::to_string(answer->status()) + ' ' + shown(body) + mend,
                      answer->status() == 410, answer->retry_after());
    }

    /// All pages, and only then the delivery.
    void list() {
        ++counters_.lists;
        nodes_.begin_list();
        std::string next;
        do {
            const auto answer =
                get("limit=" + std::to_string(page) + (next.empty() ? "" : "&continue=" + next),
                    silence, longest_page);
            next = nodes_.read_page(answer->body());
        } while (!next.empty());
        log_info("Kubernetes: " + std::to_string(nodes_.size()) + " Nodes listed");
        deliver_(nodes_.roster());
    }

    void watch() {
        ++counters_.watches;
        const auto answer =
            get("watch=1&allowWatchBookmarks=true&timeoutSeconds=" +
                    std::to_string(watch_time.count()) + "&resourceVersion=" + nodes_.version(),
                silence + watch_time);
        while (const auto event = nodes_.read_event(answer->body())) {
            counters_.events += event->of_a_node ? 1 : 0;
            if (event->is_news)
                deliver_(nodes_.roster());
        }
    }

    const KubeConfig& config_;
    KubeCounters& counters_;
    std::shared_ptr<Interrupt> interrupt_;
    Deliver deliver_;
    KubeNodes nodes_;
};

KubeSource::KubeSource(KubeConfig config, std::shared_ptr<KubeCounters> counters)
    : config_(std::move(config)), counters_(std::move(counters)),
      interrupt_(std::make_shared<Interrupt>()) {}

KubeSource::~KubeSource() {
    interrupt_->interrupt();
    if (thread_.joinable())
        thread_.join();
}

void KubeSource::start(Deliver deliver) {
    thread_ = std::thread([this, deliver = std::move(deliver)] {
        Follower(config_, *counters_, interrupt_, deliver).run();
    });
}

} // namespace agent
