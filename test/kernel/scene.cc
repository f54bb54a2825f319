#include "test/kernel/scene.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <net/if.h>
#include <sched.h>
#include <sstream>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace scene {

namespace {

/// A file without a name.
class Scratch {
  public:
    explicit Scratch(const std::string& text = {})
        : fd_(checked(::memfd_create("scene", MFD_CLOEXEC), "make a scratch file")) {
        checked(static_cast<int>(::pwrite(fd_, text.data(), text.size(), 0)), "write it");
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() { ::close(fd_); }

    int fd() const { return fd_; }
    std::string text() const {
        std::string result(static_cast<std::size_t>(::lseek(fd_, 0, SEEK_END)), '\0');
        checked(static_cast<int>(::pread(fd_, result.data(), result.size(), 0)), "read it");
        return result;
    }

  private:
    int fd_;
};

int wait_for(pid_t process) {
    int status = 0;
    while (::waitpid(process, &status, 0) < 0)
        if (errno != EINTR)
            checked(-1, "wait for a process");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void write_sysctl(const std::string& name, const std::string& value) {
    const std::string path = "/proc/sys/" + name;
    const int fd = checked(::open(path.c_str(), O_WRONLY | O_CLOEXEC), path.c_str());
    const auto written = ::write(fd, value.data(), value.size());
    ::close(fd);
    checked(static_cast<int>(written), path.c_str());
}

std::string read_sysctl(const std::string& name) {
    const int fd = ::open(("/proc/sys/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return {};
    std::array<char, 100> text{};
    const auto size = ::read(fd, text.data(), text.size());
    ::close(fd);
    const std::string value(text.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
    return value.substr(0, value.find('\n'));
}

void bring_up_loopback() {
    const int fd = checked(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "open a socket");
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    const int result = ::ioctl(fd, SIOCSIFFLAGS, &request);
    ::close(fd);
    checked(result, "bring up the loopback device");
}

int open_current() {
    return checked(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "find the namespace");
}

void erase_flags(Json& object, const std::vector<std::string>& names) {
    auto& flags = object["flags"];
    const auto named = [&](const Json& flag) {
        return std::ranges::find(names, flag.get<std::string>()) != names.end();
    };
    flags.erase(std::remove_if(flags.begin(), flags.end(), named), flags.end());
}

/// What depends on when one looks: the kernel notices a carrier some time after it has come.
void forget_volatile(Json& links, Json& routes) {
    for (Json& link : links) {
        link.erase("operstate");
        link.erase("qdisc");
        erase_flags(link, {"LOWER_UP", "NO-CARRIER", "M-DOWN"});
    }
    for (Json& route : routes)
        erase_flags(route, {"linkdown"});
    // With the carrier comes IPv6's own route for multicast.
    const auto multicast = [](const Json& route) {
        return route.value("type", "") == "multicast" && route.value("protocol", "") == "kernel";
    };
    routes.erase(std::remove_if(routes.begin(), routes.end(), multicast), routes.end());
}

} // namespace

int checked(long result, const char* tried) {
    if (result < 0)
        throw std::system_error(errno, std::generic_category(), tried);
    return static_cast<int>(result);
}

Words split(const std::string& line) {
    Words words;
    std::istringstream stream(line);
    for (std::string word; stream >> word;)
        words.push_back(word);
    return words;
}

Namespace::Namespace() : fd_(-1) {
    int made = 0; // the errno of the thread that makes it
    std::thread([&] {
        try {
            checked(::unshare(CLONE_NEWNET), "make a network namespace");
            fd_ = open_current();
            bring_up_loopback();
            // Whatever this machine's own settings are, which new namespaces may inherit.
            write_sysctl("net/ipv4/ip_forward", "0");
            for (const std::string scope : {"all", "default", "lo"})
                for (const char* key : {"/rp_filter", "/promote_secondaries"})
                    write_sysctl("net/ipv4/conf/" + scope + key, "0");
        } catch (const std::system_error& error) {
            made = error.code().value();
        }
    }).join();
    if (made != 0)
        throw std::system_error(made, std::generic_category(),
                                "cannot make a network namespace, which wants root");
}

Namespace::Namespace(Namespace&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Namespace::~Namespace() {
    if (fd_ >= 0)
        ::close(fd_);
}

std::string Namespace::path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd_);
}

Output Namespace::run(const Program& program) const {
    const auto pointers = [](const Words& words) {
        std::vector<char*> list;
        for (const std::string& word : words)
            list.push_back(const_cast<char*>(word.c_str()));
        list.push_back(nullptr);
        return list;
    };
    const std::vector<char*> arguments = pointers(program.words);
    const std::vector<char*> environment = pointers(program.environment);
    const Scratch in(program.input);
    const Scratch out;
    const Scratch err;
    const pid_t process = checked(::fork(), "start a process");
    if (process == 0) {
        if (::setns(fd_, CLONE_NEWNET) == 0 && ::dup2(in.fd(), 0) == 0 &&
            ::dup2(out.fd(), 1) == 1 && ::dup2(err.fd(), 2) == 2) {
            try {
                if (program.prepare)
                    program.prepare();
                ::execvpe(arguments[0], arguments.data(),
                          program.environment.empty() ? environ : environment.data());
            } catch (const std::exception& error) {
                std::fprintf(stderr, "%s\n", error.what());
            }
        }
        ::_exit(127);
    }
    const int status = wait_for(process);
    return {status, out.text(), err.text()};
}

Json Namespace::json(const std::string& line) const {
    const Output output = run(line);
    if (output.status != 0)
        throw std::runtime_error("\"" + line + "\" failed: " + output.err);
    return Json::parse(output.out);
}

std::vector<Json> Namespace::ip(const std::string& lines) const {
    const Output output = run(Words{"ip", "-j", "-d", "-batch", "-"}, lines);
    if (output.status != 0)
        throw std::runtime_error("ip failed with these:\n" + lines + output.err);
    std::vector<Json> shown;
    std::istringstream stream(output.out);
    for (std::string line; std::getline(stream, line);)
        if (!line.empty())
            shown.push_back(Json::parse(line));
    return shown;
}

std::string Namespace::sysctl(const std::string& name) const {
    return in([&] { return read_sysctl(name); });
}

void Namespace::set_sysctl(const std::string& name, const std::string& value) const {
    in([&] { write_sysctl(name, value); });
}

Json Namespace::state() const {
    auto shown = ip("address show\n"
                    "route show table all\n"
                    "rule show\n"
                    "neighbour show nud permanent\n");
    forget_volatile(shown.at(0), shown.at(1));
    Json rules = json("nft -j list ruleset").at("nftables");
    rules.erase(0); // about nft itself
    Json sysctls = in([] {
        Json values;
        const std::string folder = "/proc/sys/net/ipv4/conf";
        for (const auto& entry : std::filesystem::directory_iterator(folder))
            for (const char* key : {"/forwarding", "/rp_filter"}) {
                const std::string name = entry.path().filename().string() + key;
                values[name] = read_sysctl("net/ipv4/conf/" + name);
            }
        return values;
    });
    return {{"links", shown.at(0)},      {"routes", shown.at(1)}, {"rules", shown.at(2)},
            {"neighbours", shown.at(3)}, {"nftables", rules},     {"sysctls", sysctls}};
}

Visit::Visit(const Namespace& space) : home_(open_current()) {
    checked(::setns(space.fd(), CLONE_NEWNET), "enter a network namespace");
}

Visit::~Visit() {
    if (::setns(home_, CLONE_NEWNET) != 0)
        std::abort();
    ::close(home_);
}

bool comes_true(const std::function<bool()>& holds) {
    constexpr std::chrono::seconds patience{180}; // for what must come, on a busy machine too
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

int waiting_for(const std::filesystem::path& file) {
    struct stat status {};
    ::stat(file.c_str(), &status);
    const std::string inode = ':' + std::to_string(status.st_ino) + ' ';
    std::ifstream locks("/proc/locks");
    int count = 0;
    for (std::string line; std::getline(locks, line);)
        count += line.find("->") != line.npos && line.find(inode) != line.npos ? 1 : 0;
    return count;
}

std::vector<int> in_processes(int count, const std::function<int(int)>& act) {
    // None starts its work before all of them are there: they wait for this pipe's end.
    std::array<int, 2> gate{};
    checked(::pipe2(gate.data(), O_CLOEXEC), "make a pipe");
    std::vector<pid_t> processes;
    for (int i = 0; i < count; ++i) {
        processes.push_back(checked(::fork(), "start a process"));
        if (processes.back() != 0)
            continue;
        int result = 100;
        ::close(gate[1]);
        char none = 0;
        while (::read(gate[0], &none, 1) != 0) {
        }
        try {
            result = act(i);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "process %d: %s\n", i, error.what());
        }
        ::_exit(result);
    }
    ::close(gate[0]);
    ::close(gate[1]);
    std::vector<int> results;
    std::ranges::transform(processes, std::back_inserter(results), wait_for);
    return results;
}

Json find(const Json& list, const std::string& key, const Json& value) {
    for (const Json& entry : list)
        if (entry.contains(key) && entry.at(key) == value)
            return entry;
    return nullptr;
}

} // namespace scene
