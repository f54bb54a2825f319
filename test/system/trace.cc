#include "test/system/trace.h"

#include <fstream>
#include <iterator>

namespace scene {

namespace {

/// strace(1) with `options`, as a wrapper.
Words strace(const Words& options) {
    // The sanitizers' search for leaks cannot be traced.
    Words words{"strace", "-f", "-qq", "-E", "ASAN_OPTIONS=detect_leaks=0"};
    words.insert(words.end(), options.begin(), options.end());
    return words;
}

} // namespace

Trace::Trace(const Host& host, const Call& call) : output_{} {
    const Folder folder;
    const std::string file = folder.path() / "trace";
    Call traced = call;
    traced.wrapper = strace({"-s", "0", "-v", "-e", "trace=sendmsg,sendto", "-o", file});
    output_ = host.call(traced);
    std::ifstream stream(file);
    text_.assign(std::istreambuf_iterator<char>(stream), {});
}

std::size_t Trace::count(const std::string& word) const {
    std::size_t found = 0;
    for (auto at = text_.find(word); at != std::string::npos; at = text_.find(word, at + 1))
        ++found;
    return found;
}

Call with_refused_requests(Call call, const std::string& which) {
    call.wrapper = strace({"-o", "/dev/null", "-e", "trace=sendmsg", "-e",
                           "inject=sendmsg:error=ENOBUFS:when=" + which});
    return call;
}

} // namespace scene
