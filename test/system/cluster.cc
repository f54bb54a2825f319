#include "test/system/cluster.h"

#include "test/kernel/scene.h"

#include <arpa/inet.h>
#include <cstdlib>
#include <gtest/gtest.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace scene {

namespace {

constexpr int patience_ms = 10'000; // for what must come; nothing is asserted about time
constexpr std::uint16_t port = 7000;

/// A socket of a namespace, used from anywhere.
class Endpoint {
  public:
    Endpoint(const Namespace& space, int type)
        : fd_(space.in([&] { return checked(::socket(AF_INET, type, 0), "open a socket"); })) {
        const timeval patience{patience_ms / 1000, 0};
        for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO})
            ::setsockopt(fd_, SOL_SOCKET, direction, &patience, sizeof patience);
        const int on = 1;
        ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    explicit Endpoint(int fd) : fd_(fd) {}
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;
    ~Endpoint() { ::close(fd_); }
    int fd() const { return fd_; }

  private:
    int fd_;
};

sockaddr_in to_socket_address(const std::string& address) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(port);
    ::inet_pton(AF_INET, address.c_str(), &result.sin_addr);
    return result;
}

const sockaddr* generic(const sockaddr_in& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

/// Ours, or one of Debian's containernetworking-plugins.
std::string program_of(const std::string& name) {
    const std::string ours = PROGRAMS + ('/' + name);
    return std::filesystem::exists(ours) ? ours : "/usr/lib/cni/" + name;
}

std::string to_string(const in_addr& address) {
    char text[INET_ADDRSTRLEN];
    return ::inet_ntop(AF_INET, &address, text, sizeof text);
}

} // namespace

Folder::Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ipip-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
        throw std::system_error(errno, std::generic_category(), "make a folder");
    path_ = pattern;
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

Output Host::call(const Call& call) const {
    std::string path;
    for (const std::string& directory : call.path)
        path += directory + ':';
    Words environment{"PATH=" + std::string(std::getenv("PATH")),
                      "CNI_COMMAND=" + call.verb,
                      "CNI_CONTAINERID=" + call.container,
                      "CNI_IFNAME=" + call.interface,
                      "CNI_ARGS=" + call.args,
                      "CNI_PATH=" + path + PROGRAMS + ":/usr/lib/cni"};
    if (call.netns)
        environment.push_back("CNI_NETNS=" + *call.netns);
    Words words = call.wrapper;
    words.push_back(program_of(call.program));
    return net_.run(
        Program{.words = words, .input = call.config, .environment = environment, .prepare = [&] {
                    if (call.own_run)
                        enter_own_run();
                    if (call.prepare)
                        call.prepare();
                }});
}

void Host::enter_own_run() const {
    checked(::unshare(CLONE_NEWNS), "unshare mounts");
    checked(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private");
    checked(::mount(run_.path().c_str(), "/run", nullptr, MS_BIND, nullptr), "mount /run");
}

Json Host::add(const Pod& pod, const std::string& config) const {
    const Output output =
        call({.verb = "ADD", .config = config, .container = pod.id, .netns = pod.net.path()});
    EXPECT_EQ(output.status, 0) << name_ << ": " << output.out << output.err;
    return output.status == 0 ? Json::parse(output.out) : Json();
}

void Host::del(const Pod& pod, const std::string& config) const {
    const Output output =
        call({.verb = "DEL", .config = config, .container = pod.id, .netns = pod.net.path()});
    EXPECT_EQ(output.status, 0) << name_ << ": " << output.out << output.err;
    EXPECT_EQ(output.out, "");
}

Output Chain::call(const char* verb, const Json& plugin, const Pod& pod,
                   const Json& previous) const {
    Json config = plugin;
    config["name"] = list_.at("name");
    config["cniVersion"] = list_.at("cniVersion");
    if (!previous.is_null())
        config["prevResult"] = previous;
    for (const auto& [capability, value] : runtime_config_.items())
        if (plugin.value("capabilities", Json::object()).value(capability, false))
            config["runtimeConfig"][capability] = value;
    return host_.call({.verb = verb,
                       .config = config.dump(),
                       .container = pod.id,
                       .netns = pod.net.path(),
                       .program = plugin.at("type")});
}

Output Chain::add(const Pod& pod, const Json& runtime_config) {
    runtime_config_ = runtime_config;
    result_ = nullptr;
    Output output{};
    for (const Json& plugin : list_.at("plugins")) {
        output = call("ADD", plugin, pod, result_);
        if (output.status != 0)
            return output;
        result_ = Json::parse(output.out);
    }
    return output;
}

Output Chain::check(const Pod& pod) const {
    Output output{};
    for (const Json& plugin : list_.at("plugins"))
        if (output = call("CHECK", plugin, pod, result_); output.status != 0)
            break;
    return output;
}

Output Chain::del(const Pod& pod) const {
    const Json& plugins = list_.at("plugins");
    Output last{};
    for (auto plugin = plugins.rbegin(); plugin != plugins.rend(); ++plugin)
        if (Output output = call("DEL", *plugin, pod, result_);
            output.status != 0 || last.status == 0)
            last = std::move(output);
    return last;
}

Refused refusal_of(const Output& output) {
    const Json document = Json::parse(output.out, nullptr, false);
    if (output.status == 0 || !document.is_object())
        return {0, {}};
    return {document.value("code", 0), document.value("msg", "")};
}

Cluster::Cluster(int hosts, int mtu) {
    std::string lines = "link add br0 type bridge\nlink set br0 up\n";
    for (int i = 1; i <= hosts; ++i) {
        hosts_.push_back(std::make_unique<Host>("host" + std::to_string(i)));
        const std::string number = std::to_string(i);
        lines += "link add port" + number + " mtu " + std::to_string(mtu) +
                 " type veth peer name eth0 mtu " + std::to_string(mtu) + " netns " +
                 hosts_.back()->net().path() + "\n" + "link set port" + number + " master br0 up\n";
    }
    wire_.ip(lines);
    // The hosts' own IPv6 addresses would appear at a time of their choosing.
    const bool has_ipv6 = std::filesystem::exists("/proc/sys/net/ipv6");
    const std::string up =
        has_ipv6 ? "link set eth0 addrgenmode none\nlink set eth0 up\n" : "link set eth0 up\n";
    for (int i = 1; i <= hosts; ++i)
        host(i).net().ip("address add 172.16.5." + std::to_string(125 + i) + "/24 dev eth0\n" + up);
}

Json Cluster::nodes(int strangers) const {
    Json list = Json::array();
    for (int i = 1; i <= size(); ++i) {
        const std::string block = "10.10." + std::to_string(i <= 2 ? 100 * i : i) + ".";
        Json node{{"name", "host" + std::to_string(i)},
                  {"addresses", {"172.16.5." + std::to_string(125 + i)}},
                  {"podCIDRs", {block + "0/24"}}};
        if (i <= 2) // the others' endpoints are computed
            node["tunnelAddresses"] = {block + "10"};
        list.push_back(node);
    }
    for (int i = 1; i <= strangers; ++i)
        list.push_back({{"name", "stranger" + std::to_string(i)},
                        {"addresses", {"172.16.7." + std::to_string(i)}},
                        {"podCIDRs", {"10.11." + std::to_string(i) + ".0/24"}}});
    return list;
}

std::string Cluster::config(const Json& nodes, const Json& more) {
    Json document{{"cniVersion", "1.1.0"}, {"name", "podnet"}, {"type", "ipip"}, {"nodes", nodes}};
    document.update(more);
    return document.dump();
}

::testing::AssertionResult is_unchanged(const Namespace& space, const Json& before) {
    const Json difference = Json::diff(before, space.state());
    if (difference.empty())
        return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "it changed by " << difference.dump(2);
}

std::string address_of(const Json& result) {
    const std::string address = result.at("ips").at(0).at("address");
    return address.substr(0, address.find('/'));
}

std::string link_of(const Json& result) {
    return result.at("interfaces").at(0).at("name");
}

bool reaches(const Namespace& from, const std::string& address) {
    // The first packet may wait for ARP; a lost one says nothing yet.
    return from.run("ping -n -q -c 3 -i 0.2 -W 3 -w 10 " + address).out.find(" 0 received") ==
           std::string::npos;
}

std::string seen_source(const Namespace& from, const Namespace& to, const std::string& address) {
    const sockaddr_in target = to_socket_address(address);
    const Endpoint listener(to, SOCK_DGRAM);
    checked(::bind(listener.fd(), generic(target), sizeof target), "bind");
    const Endpoint sender(from, SOCK_DGRAM);
    checked(static_cast<int>(::sendto(sender.fd(), "?", 1, 0, generic(target), sizeof target)),
            "send");
    sockaddr_in source{};
    socklen_t size = sizeof source;
    char byte = 0;
    if (::recvfrom(listener.fd(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&source), &size) != 1)
        return "nothing came";
    return to_string(source.sin_addr);
}

Transfer transfer(const Namespace& from, const Namespace& to, const std::string& address,
                  std::size_t bytes) {
    const sockaddr_in target = to_socket_address(address);
    const Endpoint listener(to, SOCK_STREAM);
    checked(::bind(listener.fd(), generic(target), sizeof target), "bind");
    checked(::listen(listener.fd(), 1), "listen");
    const auto pattern = [](std::size_t at) { return static_cast<char>((at * 7919) >> 8); };
    Transfer result{0, 0};
    std::thread sending([&] {
        const Endpoint sender(from, SOCK_STREAM);
        if (::connect(sender.fd(), generic(target), sizeof target) != 0)
            return;
        std::vector<char> block(65536);
        for (std::size_t done = 0; done < bytes;) {
            const std::size_t size = std::min(block.size(), bytes - done);
            for (std::size_t i = 0; i < size; ++i)
                block[i] = pattern(done + i);
            const ssize_t sent = ::send(sender.fd(), block.data(), size, MSG_NOSIGNAL);
            if (sent <= 0)
                break;
            done += static_cast<std::size_t>(sent);
        }
        ::shutdown(sender.fd(), SHUT_WR);
        char none = 0;
        ::recv(sender.fd(), &none, 1, 0); // until the other has all of it
        tcp_info info{};
        socklen_t size = sizeof info;
        ::getsockopt(sender.fd(), IPPROTO_TCP, TCP_INFO, &info, &size);
        result.segment = static_cast<int>(info.tcpi_snd_mss);
    });
    pollfd waiting{listener.fd(), POLLIN, 0};
    if (::poll(&waiting, 1, patience_ms) == 1) {
        const Endpoint receiver(::accept(listener.fd(), nullptr, nullptr));
        const timeval patience{patience_ms / 1000, 0};
        ::setsockopt(receiver.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        std::vector<char> block(65536);
        for (ssize_t size = 0; (size = ::recv(receiver.fd(), block.data(), block.size(), 0)) > 0;)
            for (ssize_t i = 0; i < size; ++i)
                result.received +=
                    block[static_cast<std::size_t>(i)] == pattern(result.received) ? 1U : 0U;
    }
    sending.join();
    return result;
}

} // namespace scene
