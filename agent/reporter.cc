#include "agent/reporter.h"

#include "agent/kube_node.h"
#include "agent/log.h"

#include <ctime>

namespace agent {

namespace {

/// RFC 3339, as Kubernetes has it.
std::string now() {
    const std::time_t time = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

} // namespace

Reporter::Reporter(KubeConfig config, std::string node_name)
    : config_(std::move(config)), node_name_(std::move(node_name)),
      interrupt_(std::make_shared<Interrupt>()), thread_([this] { run(); }) {}

Reporter::~Reporter() {
    {
        const std::lock_guard guard(mutex_);
        stopped_ = true;
    }
    changed_.notify_one();
    interrupt_->interrupt();
    thread_.join();
}

void Reporter::tell(const NodeReport& report, bool differs) {
    constexpr std::chrono::seconds settling{5}; // until what was written is seen in the Node
    {
        const std::lock_guard guard(mutex_);
        const bool is_old = !written_ || Clock::now() - *written_ > settling;
        if (report == report_ && !(differs && is_old))
            return;
        report_ = report;
        due_ = true;
    }
    changed_.notify_one();
}

void Reporter::run() {
    for (;;) {
        NodeReport report;
        {
            std::unique_lock guard(mutex_);
            changed_.wait(guard, [&] { return stopped_ || due_; });
            if (stopped_)
                return;
            report = report_;
            due_ = false;
        }
        bool failed = false;
        try {
            write(report);
        } catch (const std::exception& error) {
            failed = true;
            log_warning("Kubernetes: cannot write to the Node " + node_name_ + ": " + error.what());
            if (!interrupt_->sleep(std::chrono::seconds(10)))
                return;
        }
        const std::lock_guard guard(mutex_);
        due_ = due_ || failed;
        if (!failed)
            written_ = Clock::now();
    }
}

void Reporter::write(const NodeReport& report) const {
    json::Value changes = json::Value::object();
    if (!report.address.empty())
        changes["metadata"] = {{"annotations", {{addresses_annotation, report.address}}}};
    if (report.network_available) {
        const bool available = *report.network_available;
        const json::Value condition{{"type", "NetworkUnavailable"},
                                    {"status", available ? "False" : "True"},
                                    {"reason", available ? "TunnelsStand" : "TunnelsDoNotStand"},
                                    {"message", "ipipd: " + report.why},
                                    {"lastHeartbeatTime", now()},
                                    {"lastTransitionTime", now()}};
        changes["status"] = {{"conditions", json::Value::array({condition})}};
    }
    // The subresource takes annotations, too: one right is enough.
    HttpStream answer(config_.http,
                      {.method = "PATCH",
                       .url = config_.server + "/api/v1/nodes/" + node_name_ + "/status",
                       .body = changes.dump(),
                       .content_type = "application/strategic-merge-patch+json"},
                      interrupt_);
    if (answer.status() / 100 != 2)
        throw HttpError(
            "the server answered " + std::to_string(answer.status()) + ' ' + answer.beginning() +
            (answer.status() == 403 ? "; allow it to patch nodes/status (manifests: ClusterRole "
                                      "ipipd)"
                                    : ""));
}

} // namespace agent
