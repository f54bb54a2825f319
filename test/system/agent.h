#pragma once

#include "test/system/process.h"

#include <functional>
#include <optional>
#include <string>

// The node agent as a process on a host.

namespace scene {

/// ipipd, from its start to its end. Its files are under the host's own folder.
class Agent {
  public:
    /// Starts it with these options and those that keep it inside of the host's folder. `wrapper`
    /// is a program that runs it, such as strace; `prepare` is called in its process before it
    /// starts.
    Agent(const Host& host, const Words& options, const Words& wrapper = {},
          const std::function<void()>& prepare = {});

    /// The process that was started; with a wrapper, that.
    pid_t pid() const { return process_.pid(); }
    /// Sends it a signal and waits for its end; returns its exit status, 128 + the signal's number
    /// where one killed it.
    int stop(int signal) { return process_.stop(signal); }
    /// Holds it still (SIGSTOP) while this is done, so that it meets only what comes of it.
    void hold_while(const std::function<void()>& done);
    /// Waits for its end. None where it does not come.
    std::optional<int> wait() { return process_.wait(); }
    /// Whether it has ended by now.
    bool has_ended() { return process_.has_ended(); }

    /// All that it has logged so far.
    std::string log() const;
    /// Waits until a line of the log holds `text`.
    bool says(const std::string& text) const;
    /// How many lines of the log hold `text`.
    int count(const std::string& text) const;

    struct Page {
        int status = 0; ///< 0: nobody answered
        std::string body;
    };
    /// What it answers over HTTP.
    Page page(const std::string& path) const;
    /// Waits until /readyz says that it is.
    bool becomes_ready() const;
    /// The value in /metrics; none where it is not there. "ipip_repairs_total{kind=\"route\"}".
    std::optional<double> metric(const std::string& name) const;

    std::filesystem::path conf_dir() const { return host_.folder() / "net.d"; }
    std::filesystem::path bin_dir() const { return host_.folder() / "bin"; }
    /// The plugin's configuration out of the list that the agent installed.
    std::string config() const;

  private:
    const Host& host_;
    std::filesystem::path log_;
    Process process_;
};

/// A file with these nodes for --nodes-file, put in its place by a rename.
void write_nodes_file(const std::filesystem::path& path, const Json& nodes);

} // namespace scene
