#include "test/system/agent.h"

#include <arpa/inet.h>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <netinet/in.h>
#include <sstream>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace scene {

namespace {

constexpr std::uint16_t port = 9094;
constexpr timeval patience{.tv_sec = 60, .tv_usec = 0}; // for a page; then there is none

std::string read_all(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// IPIP_TEST_AGENT, such as one with a sanitizer of its own, or the one built with the test.
std::string program_of_agent() {
    const char* other = std::getenv("IPIP_TEST_AGENT");
    return other != nullptr ? other : std::string(PROGRAMS) + "/ipipd";
}

/// ipipd's arguments that keep it inside of the host's folder, and these.
Words command(const Host& host, const Agent& agent, const Words& options, Words words) {
    const std::string programs = PROGRAMS;
    for (const std::string& word :
         {program_of_agent(), std::string("--program-dir"), programs, std::string("--cni-bin-dir"),
          agent.bin_dir().string(), std::string("--cni-conf-dir"), agent.conf_dir().string(),
          std::string("--etc-dir"), (host.folder() / "etc").string()})
        words.push_back(word);
    words.insert(words.end(), options.begin(), options.end());
    return words;
}

} // namespace

Agent::Agent(const Host& host, const Words& options, const Words& wrapper,
             const std::function<void()>& prepare)
    : host_(host), log_(host.folder() / "ipipd.log"),
      process_(host, command(host, *this, options, wrapper), log_, prepare) {}

void Agent::hold_while(const std::function<void()>& done) {
    ::kill(pid(), SIGSTOP);
    ::waitpid(pid(), nullptr, WUNTRACED);
    done();
    ::kill(pid(), SIGCONT);
}

std::string Agent::log() const {
    return read_all(log_);
}

bool Agent::says(const std::string& text) const {
    return comes_true([&] { return log().find(text) != std::string::npos; });
}

int Agent::count(const std::string& text) const {
    std::istringstream lines(log());
    int found = 0;
    for (std::string line; std::getline(lines, line);)
        found += line.find(text) == std::string::npos ? 0 : 1;
    return found;
}

Agent::Page Agent::page(const std::string& path) const {
    const int fd = host_.net().in([] { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); });
    for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO})
        ::setsockopt(fd, SOL_SOCKET, direction, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string answer;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
        (void)!::write(fd, request.data(), request.size());
        char buffer[4096];
        for (ssize_t size = 0; (size = ::read(fd, buffer, sizeof buffer)) > 0;)
            answer.append(buffer, static_cast<std::size_t>(size));
    }
    ::close(fd);
    const auto body = answer.find("\r\n\r\n");
    if (body == std::string::npos)
        return {};
    return {.status = std::atoi(answer.c_str() + answer.find(' ')),
            .body = answer.substr(body + 4)};
}

bool Agent::becomes_ready() const {
    return comes_true([&] { return page("/readyz").status == 200; });
}

std::optional<double> Agent::metric(const std::string& name) const {
    std::istringstream lines(page("/metrics").body);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(name + ' '))
            return std::stod(line.substr(name.size() + 1));
    return std::nullopt;
}

std::string Agent::config() const {
    const Json list = Json::parse(read_all(conf_dir() / "10-ipip.conflist"));
    Json plugin = list.at("plugins").at(0);
    plugin["name"] = list.at("name");
    plugin["cniVersion"] = list.at("cniVersion");
    return plugin.dump();
}

void write_nodes_file(const std::filesystem::path& path, const Json& nodes) {
    const std::filesystem::path draft = path.string() + ".new";
    std::ofstream(draft) << Json{{"nodes", nodes}}.dump();
    std::filesystem::rename(draft, path);
}

} // namespace scene
