#pragma once

#include "test/kernel/scene.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// Hosts on a common wire, as network namespaces, and the plugin called on them as a runtime would.

namespace scene {

/// A folder that goes when this does.
class Folder {
  public:
    Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder();
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

class Host;

/// A container's network namespace.
struct Pod {
    explicit Pod(std::string container_id) : id(std::move(container_id)) {}
    std::string id;
    Namespace net;
};

/// One call of the plugin, with what can be chosen about it.
struct Call {
    std::string verb;
    std::string config;
    std::string container;
    std::optional<std::string> netns;
    std::string interface = "eth0";
    std::string args = {};
    std::string program = "ipip"; ///< found where the plugins are, as a runtime finds it
    Words path = {};              ///< directories with plugins, in front of those
    Words wrapper = {}; ///< a program that runs the plugin, such as strace, with its arguments
    std::function<void()> prepare = {}; ///< called in the plugin's process before it starts
    bool own_run = true; ///< with the machine's /run; not needed where "stateDir" names it
};

/// A machine: its own network namespace and its own /run.
class Host {
  public:
    explicit Host(std::string name) : name_(std::move(name)) {}

    const std::string& name() const { return name_; }
    const Namespace& net() const { return net_; }
    /// What is /run to its programs.
    const std::filesystem::path& folder() const { return run_.path(); }
    std::filesystem::path state_dir() const { return folder() / "ipip-cni"; }
    /// Gives the calling process this machine's /run. Throws std::system_error.
    void enter_own_run() const;

    Output call(const Call& call) const;

    /// ADD; fails the test where the plugin does. Returns the result.
    Json add(const Pod& pod, const std::string& config) const;
    /// DEL; fails the test where the plugin does.
    void del(const Pod& pod, const std::string& config) const;

  private:
    std::string name_;
    Namespace net_;
    Folder run_;
};

/// A chain of plugins, called as a runtime calls it: each with the network's name and version and
/// the result of those before it; DEL and CHECK with the result of the whole.
class Chain {
  public:
    /// `list` is a network configuration list, with "name", "cniVersion" and "plugins".
    Chain(const Host& host, Json list) : host_(host), list_(std::move(list)) {}

    /// Stops at the first that fails, and returns what that said; the result otherwise.
    Output add(const Pod& pod, const Json& runtime_config = Json::object());
    Output check(const Pod& pod) const;
    /// All of them, in reverse order. Returns the last failure, or the last success.
    Output del(const Pod& pod) const;

    const Json& result() const { return result_; }

  private:
    Output call(const char* verb, const Json& plugin, const Pod& pod, const Json& previous) const;

    const Host& host_;
    Json list_;
    Json runtime_config_ = Json::object();
    Json result_;
};

/// Host number i (from 1) is "host<i>", 172.16.5.<125 + i>/24, with the pods' 10.10.<100 * i>.0/24;
/// on a wire of its own.
class Cluster {
  public:
    explicit Cluster(int hosts, int mtu = 1500);

    Host& host(int number) { return *hosts_.at(static_cast<std::size_t>(number - 1)); }
    const Host& host(int number) const { return *hosts_.at(static_cast<std::size_t>(number - 1)); }
    const Namespace& wire() const { return wire_; }
    int size() const { return static_cast<int>(hosts_.size()); }

    /// The list of the hosts, as the key "nodes" has it, and of `strangers` that nobody has ever
    /// heard of.
    Json nodes(int strangers = 0) const;
    /// A network configuration with these nodes and what `more` adds or overrides.
    static std::string config(const Json& nodes, const Json& more = Json::object());
    std::string config() const { return config(nodes()); }

  private:
    Namespace wire_;
    std::vector<std::unique_ptr<Host>> hosts_;
};

/// Whether the kernel's state in the namespace is what Namespace::state() once said, to be asked
/// with EXPECT_TRUE; the answer tells the difference.
::testing::AssertionResult is_unchanged(const Namespace& space, const Json& before);

/// The error document that a plugin left; empty keys where there is none.
struct Refused {
    int code;
    std::string message;
};
Refused refusal_of(const Output& output);

/// "10.10.100.1" of an ADD's result.
std::string address_of(const Json& result);

/// The name that the host's end of its link had then.
std::string link_of(const Json& result);

/// Whether one ICMP echo to `address` is answered, asked three times at most.
bool reaches(const Namespace& from, const std::string& address);

/// The source address that a listener in `to` at `address` sees of a datagram sent in `from`.
std::string seen_source(const Namespace& from, const Namespace& to, const std::string& address);

/// Sends `bytes` over TCP from one namespace to a listener in the other, at `address`, in writes of
/// 64 KiB. Returns the number of bytes that came out right, and the sender's segment size.
struct Transfer {
    std::size_t received;
    int segment; ///< bytes, TCP_INFO's tcpi_snd_mss at the end
};
Transfer transfer(const Namespace& from, const Namespace& to, const std::string& address,
                  std::size_t bytes);

} // namespace scene
