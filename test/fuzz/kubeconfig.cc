#include "agent/kube_config.h"
#include "test/fuzz/expect.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

// Any bytes as a kubeconfig: where the server is and who we are to it, or an error that names the
// file and what in it.

namespace {

bool is_printable(const std::string& text) {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; });
}

void expect_usable(const agent::KubeConfig& config) {
    expect(config.server.starts_with("https://"), "tokens go over TLS alone");
    expect(config.http.token || !config.http.client_certificate.empty(), "we are somebody");
    if (config.http.token)
        expect(is_printable(config.http.token()), "a token is one word of a header");
    for (const std::string* file :
         {&config.http.ca_file, &config.http.client_certificate, &config.http.client_key})
        expect(file->empty() || std::filesystem::exists(*file), "files are there");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const int file = ::memfd_create("kubeconfig", MFD_CLOEXEC);
    static const std::string path = "/proc/self/fd/" + std::to_string(file);
    expect(::ftruncate(file, 0) == 0 && ::pwrite(file, data, size, 0) == static_cast<ssize_t>(size),
           "the file is written");
    try {
        expect_usable(agent::read_kubeconfig(path));
    } catch (const agent::KubeConfigError& error) {
        const std::string_view sentence = error.what();
        expect(sentence.starts_with(path + ": "), "the error names the file");
        constexpr std::array known{"YAML",   "kubeconfig", "current-context",         "contexts",
                                   "users",  "clusters",   "certificate-authority",   "client-",
                                   "server", "token",      "insecure-skip-tls-verify"};
        expect(std::ranges::any_of(
                   known, [&](const char* key) { return sentence.find(key) != sentence.npos; }),
               "the error names the key");
    }
    return 0;
}
