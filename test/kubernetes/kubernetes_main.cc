#include "test/kernel/scene.h"

#include <csignal>
#include <curl/curl.h>
#include <gmock/gmock.h>

/// The control plane listens in the network namespace of this process, so that is one of its own:
/// nothing there can be in its way, and nobody else reaches it.
int main(int argc, char** argv) {
    testing::InitGoogleMock(&argc, argv);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    std::signal(SIGPIPE, SIG_IGN); // who goes away in the middle of an answer is no reason to end
    const scene::Namespace home;
    const scene::Visit visit(home);
    return RUN_ALL_TESTS();
}
