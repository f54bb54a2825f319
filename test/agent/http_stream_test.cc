#include "agent/http_stream.h"

#include "test/agent/scripted_server.h"

#include <gtest/gtest.h>

namespace agent {
namespace {

/// How long a server that answers with that header says to wait.
std::optional<std::chrono::seconds> wait_after(const std::string& header) {
    const ScriptedServer server([&](const std::string&, const ScriptedServer::Write& write) {
        write(ScriptedServer::response(503, "busy", header));
    });
    const KubeConfig config = server.config();
    const HttpStream stream(config.http, {.url = config.server + '/'},
                            std::make_shared<Interrupt>());
    EXPECT_EQ(stream.status(), 503);
    return stream.retry_after();
}

TEST(RetryAfter, IsANumberOfSeconds) {
    EXPECT_EQ(wait_after("Retry-After: 7\r\n"), std::chrono::seconds(7));
    EXPECT_EQ(wait_after("retry-after:7\r\n"), std::chrono::seconds(7));
    EXPECT_EQ(wait_after({}), std::nullopt);
}

TEST(RetryAfter, OfNothingIsNone) {
    EXPECT_EQ(wait_after("Retry-After:    \r\n"), std::nullopt);
    EXPECT_EQ(wait_after("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n"), std::nullopt);
}

TEST(RetryAfter, IsNeverNegativeNorLongerThanAClock) {
    EXPECT_EQ(wait_after("Retry-After: -9223372036854775807\r\n"), std::nullopt);
    EXPECT_EQ(wait_after("Retry-After: 9223372036854775807\r\n"), std::nullopt);
}

} // namespace
} // namespace agent
