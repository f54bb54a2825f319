#include "test/faults/fault.h"

#include <cctype>
#include <fstream>
#include <iterator>
#include <sstream>

namespace scene {

namespace {

std::string read_all(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

Words strace(const std::string& file, const Words& options) {
    Words words{"strace", "-f", "-q", "-s", "0", "-o", file};
    words.insert(words.end(), options.begin(), options.end());
    return words;
}

} // namespace

Struck strike(const Host& host, Call call, const Fault& fault) {
    const Folder folder;
    const std::string file = folder.path() / "trace";
    const std::string which = std::to_string(fault.number) + (fault.all_later ? "+" : "");
    call.wrapper = strace(file, {"-e", "trace=" + fault.call, "-e",
                                 "inject=" + fault.call + ':' + fault.how + ":when=" + which});
    Struck struck{.output = host.call(call), .hit = false};
    const std::string trace = read_all(file);
    struck.hit = trace.find("(INJECTED)") != std::string::npos ||
                 trace.find("killed by SIGKILL") != std::string::npos;
    return struck;
}

std::set<std::string> system_calls(const Host& host, Call call) {
    const Folder folder;
    const std::string file = folder.path() / "trace";
    call.wrapper = strace(file, {});
    host.call(call);
    std::set<std::string> names;
    std::istringstream lines(read_all(file));
    for (std::string line; std::getline(lines, line);) { // 4711  openat(AT_FDCWD, ...
        std::istringstream words(line);
        std::string process;
        std::string name;
        words >> process;
        std::getline(words >> std::ws, name, '(');
        if (!name.empty() && std::isalpha(static_cast<unsigned char>(name.front())) &&
            name.find(' ') == std::string::npos)
            names.insert(name);
    }
    names.erase("execve"); // strace's own: with it the program begins
    return names;
}

} // namespace scene
