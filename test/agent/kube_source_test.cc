#include "agent/kube_source.h"

#include "test/agent/scripted_server.h"

#include <condition_variable>
#include <csignal>
#include <deque>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

// What the agent does where an API server misbehaves. How it gets along with a real one is seen in
// test/kubernetes.

namespace agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string node(int number, const std::string& more = {}) {
    const std::string n = std::to_string(number);
    return R"({"metadata": {"name": "host)" + n + R"(", "resourceVersion": "1)" + n +
           R"("}, "spec": {"podCIDR": "10.10.)" + n +
           R"(.0/24"}, "status": {"addresses": [{"type": "InternalIP", "address": "172.16.5.)" + n +
           "\"}]" + more + "}}";
}

std::string list(const std::string& items, const std::string& next = {}) {
    return R"({"kind": "NodeList", "metadata": {"resourceVersion": "7", "continue": ")" + next +
           R"("}, "items": [)" + items + "]}";
}

std::string event(const char* type, const std::string& object) {
    return R"({"type": ")" + std::string(type) + R"(", "object": )" + object + "}\n";
}

bool is_watch(const std::string& request) {
    return request.find("watch=1") != std::string::npos;
}

/// The rosters that a source delivers, as names.
class Deliveries {
  public:
    void put(const Roster& roster) {
        std::string names;
        for (const Candidate& candidate : roster)
            names += candidate.name + ' ';
        const std::lock_guard guard(mutex_);
        names_.push_back(names);
        come_.notify_all();
    }
    /// The next one; "none" where it does not come.
    std::string next() {
        std::unique_lock guard(mutex_);
        if (!come_.wait_for(guard, std::chrono::seconds(60), [&] { return !names_.empty(); }))
            return "none";
        std::string names = names_.front();
        names_.pop_front();
        return names;
    }
    bool empty() {
        const std::lock_guard guard(mutex_);
        return names_.empty();
    }

  private:
    std::mutex mutex_;
    std::condition_variable come_;
    std::deque<std::string> names_;
};

class KubeSourceTest : public testing::Test {
  protected:
    KubeSourceTest() { std::signal(SIGPIPE, SIG_IGN); }

    ~KubeSourceTest() override {
        if (source_)
            (void)log();
    }

    /// The script gets the number of requests before this one, of lists and of watches each.
    void serve(std::function<void(bool watch, int number, const ScriptedServer::Write&)> script) {
        server_ = std::make_unique<ScriptedServer>(
            [this, script = std::move(script)](const std::string& request,
                                               const ScriptedServer::Write& write) {
                const bool watch = is_watch(request);
                script(watch, watch ? watches_++ : lists_++, write);
            });
        testing::internal::CaptureStderr();
        source_ = std::make_unique<KubeSource>(server_->config(), counters_);
        source_->start([this](const Roster& roster) { deliveries_.put(roster); });
    }
    /// Ends it, and returns what it logged.
    std::string log() {
        source_.reset();
        return testing::internal::GetCapturedStderr();
    }
    void wait() const { // as a server does that has nothing to say
        while (!server_->ends())
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }

    std::atomic<int> lists_ = 0;
    std::atomic<int> watches_ = 0;
    std::shared_ptr<KubeCounters> counters_ = std::make_shared<KubeCounters>();
    Deliveries deliveries_;
    std::unique_ptr<ScriptedServer> server_;
    std::unique_ptr<KubeSource> source_;
};

TEST_F(KubeSourceTest, ListsInPagesAndThenFollows) {
    serve([&](bool watch, int number, const ScriptedServer::Write& write) {
        if (!watch) {
            write(
                ScriptedServer::response(200, number == 0 ? list(node(1), "more") : list(node(2))));
            return;
        }
        write(
            ScriptedServer::stream() + event("ADDED", node(3)) +
            event("MODIFIED", node(3, R"(, "conditions": [{"type": "Ready", "status": "True"}])")) +
            event("BOOKMARK", R"({"metadata": {"resourceVersion": "20"}})") +
            event("DELETED", node(1)));
        wait();
    });
    EXPECT_EQ(deliveries_.next(), "host1 host2 ");
    EXPECT_EQ(deliveries_.next(), "host1 host2 host3 ");
    EXPECT_EQ(deliveries_.next(), "host2 host3 ") << "a heartbeat is no news";
    EXPECT_EQ(counters_->events, 3);
    EXPECT_THAT(log(), HasSubstr("2 Nodes listed"));
    EXPECT_THAT(server_->requests(), ElementsAre("GET /api/v1/nodes?limit=250",
                                                 "GET /api/v1/nodes?limit=250&continue=more",
                                                 HasSubstr("resourceVersion=7")));
}

struct Trouble {
    const char* name;
    std::string answer;
    const char* says;
};

class KubeSourceTrouble : public KubeSourceTest, public testing::WithParamInterface<Trouble> {};

TEST_P(KubeSourceTrouble, OfAListIsSaidAndGotOver) {
    serve([&](bool watch, int number, const ScriptedServer::Write& write) {
        if (watch)
            return wait();
        write(number == 0 ? GetParam().answer : ScriptedServer::response(200, list(node(1))));
    });
    EXPECT_EQ(deliveries_.next(), "host1 ") << "and nothing before";
    EXPECT_GE(counters_->failures, 1);
    EXPECT_THAT(log(), HasSubstr(GetParam().says));
}

TEST_P(KubeSourceTrouble, OfAWatchIsSaidAndGotOver) {
    serve([&](bool watch, int number, const ScriptedServer::Write& write) {
        if (!watch) {
            write(ScriptedServer::response(200, list(node(1))));
        } else if (number == 0) {
            write(GetParam().answer);
        } else {
            write(ScriptedServer::stream() + event("ADDED", node(2)));
            wait();
        }
    });
    EXPECT_EQ(deliveries_.next(), "host1 ");
    EXPECT_EQ(deliveries_.next(), "host1 host2 ") << "nobody was dropped meanwhile";
    EXPECT_GE(counters_->failures, 1);
    EXPECT_THAT(log(), HasSubstr("Kubernetes: "));
}

const std::string forbidden =
    R"({"kind": "Status", "message": "nodes is forbidden: User \"x\" cannot list", "code": 403})";

INSTANTIATE_TEST_SUITE_P(
    Such, KubeSourceTrouble,
    testing::Values(
        Trouble{"As401", ScriptedServer::response(401, "Unauthorized"),
                "answered 401 \"Unauthorized\"; the token is not known"},
        Trouble{"As403", ScriptedServer::response(403, forbidden),
                "allow list and watch of nodes (manifests: ClusterRole ipipd)"},
        Trouble{"As429", ScriptedServer::response(429, "slow down", "Retry-After: 1\r\n"),
                "answered 429 \"slow down\""},
        Trouble{"As500", ScriptedServer::response(500, "etcd is away"), "answered 500"},
        Trouble{"AsHtml", ScriptedServer::response(200, "<html><body>Login</body></html>"),
                "parse error"},
        Trouble{"AsHalfAJson", ScriptedServer::response(200, list(node(1)).substr(0, 120)),
                "parse error"},
        Trouble{"AsAnotherObject", ScriptedServer::response(200, "[1]"), ""},
        Trouble{"AsAnAnswerThatBreaksOff",
                "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"items\": [", ""},
        Trouble{"AsNoHttp", "SSH-2.0-OpenSSH_9.2\r\n", ""}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(KubeSourceTest, TakesNothingForNoList) {
    serve([&](bool watch, int number, const ScriptedServer::Write& write) {
        if (watch)
            return wait();
        write(ScriptedServer::response(200, number == 0 ? "" : list(node(1))));
    });
    EXPECT_EQ(deliveries_.next(), "host1 ");
    EXPECT_THAT(log(), HasSubstr("parse error"));
}

TEST_F(KubeSourceTest, GivesUpOnALineWithoutAnEnd) {
    serve([&](bool watch, int number, const ScriptedServer::Write& write) {
        if (!watch) {
            write(ScriptedServer::response(200, list(node(1))));
        } else if (number == 0) {
            write(ScriptedServer::stream() + R"({"type": ")");
            while (write(std::string(1 << 16, 'x'))) {
            }
        } else {
            write(ScriptedServer::stream() + event("ADDED", node(2)));
            wait();
        }
    });
    EXPECT_EQ(deliveries_.next(), "host1 ");
    EXPECT_EQ(deliveries_.next(), "host1 host2 ");
    EXPECT_THAT(log(), HasSubstr("an event of more than 8 MiB"));
}

TEST_F(KubeSourceTest, GivesUpOnAListWithoutAnEnd) {
    serve([&](bool watch, int number, const ScriptedServer::Write& write) {
        if (watch)
            return wait();
        if (number == 0) {
            write(ScriptedServer::stream() + R"({"items": [{"metadata": {"name": ")");
            while (write(std::string(1 << 16, 'x'))) {
            }
        } else {
            write(ScriptedServer::response(200, list(node(1))));
        }
    });
    EXPECT_EQ(deliveries_.next(), "host1 ");
    EXPECT_THAT(log(), HasSubstr("it answered with more than 64 MiB"));
}

TEST_F(KubeSourceTest, ListsAgainWhereTheServerHasForgottenThePlace) {
    serve([&](bool watch, int number, const ScriptedServer::Write& write) {
        if (!watch) {
            write(ScriptedServer::response(200, list(node(number + 1))));
        } else if (number == 0) { // as a server says it in a watch, with the status 200
            write(ScriptedServer::stream() +
                  event("ERROR", R"({"kind": "Status", "code": 410, "reason": "Expired"})"));
        } else if (number == 1) {
            write(ScriptedServer::response(410, R"({"kind": "Status", "code": 410})"));
        } else {
            wait();
        }
    });
    EXPECT_EQ(deliveries_.next(), "host1 ");
    EXPECT_EQ(deliveries_.next(), "host2 ");
    EXPECT_EQ(deliveries_.next(), "host3 ");
    EXPECT_EQ(counters_->lists, 3);
}

TEST_F(KubeSourceTest, GoesOnFromItsPlaceWhereAWatchEnds) {
    serve([&](bool watch, int number, const ScriptedServer::Write& write) {
        if (!watch) {
            write(ScriptedServer::response(200, list(node(1))));
        } else if (number == 0) {
            write(ScriptedServer::stream() +
                  event("BOOKMARK", R"({"metadata": {"resourceVersion": "99"}})"));
        } else {
            write(ScriptedServer::stream() + event("ADDED", node(2)));
            wait();
        }
    });
    EXPECT_EQ(deliveries_.next(), "host1 ");
    EXPECT_EQ(deliveries_.next(), "host1 host2 ");
    EXPECT_EQ(counters_->lists, 1);
    EXPECT_THAT(server_->requests().back(), HasSubstr("resourceVersion=99"));
    EXPECT_THAT(log(), testing::Not(HasSubstr("warning")))
        << "a watch has its time, and no failure";
}

/// A server that is not the one it is taken for.
class FalseServer : public KubeSourceTest {
  protected:
    /// What the log says once it has been asked as `config` says.
    std::string refusal_of(const KubeConfig& config) {
        testing::internal::CaptureStderr();
        source_ = std::make_unique<KubeSource>(config, counters_);
        source_->start([this](const Roster& roster) { deliveries_.put(roster); });
        while (counters_->failures == 0)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        EXPECT_TRUE(deliveries_.empty());
        EXPECT_THAT(false_.requests(), testing::Each(IsEmpty())) << "no token went there";
        return log();
    }

    const ScriptedServer false_{[](const std::string&, const ScriptedServer::Write& write) {
        write(ScriptedServer::response(200, list(node(1))));
    }};
};

TEST_F(FalseServer, OfAnotherAuthorityIsNotBelieved) {
    const ScriptedServer elsewhere([](const std::string&, const ScriptedServer::Write&) {});
    KubeConfig config = false_.config();
    config.http.ca_file = elsewhere.config().http.ca_file;
    EXPECT_THAT(refusal_of(config), HasSubstr("SSL certificate problem"));
}

TEST_F(FalseServer, OfAnotherNameIsNotBelieved) {
    KubeConfig config = false_.config();
    const std::string right = "127.0.0.1";
    config.server.replace(config.server.find(right), right.size(), "localhost");
    EXPECT_THAT(refusal_of(config), HasSubstr("no alternative certificate subject name matches"));
}

} // namespace
} // namespace agent
