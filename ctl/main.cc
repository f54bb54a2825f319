#include "ctl/uninstall.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <functional>
#include <iostream>

namespace {

enum Status : int { done = 0, failed = 1, misused = 2 };

/// Runs the command that was given, and returns the exit status.
using Command = std::function<int()>;

/// Until somebody wants the program to end. REQUIRES: the signals are blocked.
void wait_for(const sigset_t& signals) {
    int number = 0;
    ::sigwait(&signals, &number);
}

struct Uninstallation {
    ctl::UninstallOptions options;
    bool stay = false;

    int run() const {
        sigset_t end;
        sigemptyset(&end);
        sigaddset(&end, SIGTERM);
        sigaddset(&end, SIGINT);
        if (stay) // from here, so that it ends neither before it is done nor never
            ::sigprocmask(SIG_BLOCK, &end, nullptr);
        const int status = ctl::uninstall(options, std::cout, std::cerr);
        if (stay && status == done)
            wait_for(end);
        return status;
    }
};

void add_directory(CLI::App& app, const char* flag, std::filesystem::path& value,
                   const char* help) {
    app.add_option(flag, value, help)
        ->type_name("DIR")
        ->capture_default_str()
        ->check(
            [](const std::string& path) {
                return path.starts_with('/') ? std::string()
                                             : '"' + path + "\" is not an absolute path";
            },
            "");
}

void add_uninstall(CLI::App& app, Command& command) {
    CLI::App& uninstall = *app.add_subcommand(
        "uninstall", "Remove from this host all that ipip-cni made, and nothing else");
    const auto chosen = std::make_shared<Uninstallation>();
    ctl::UninstallOptions& options = chosen->options;
    uninstall.add_flag("--dry-run", options.dry_run, "only tell what would be removed");
    add_directory(uninstall, "--state-dir", options.state_dir, "where leases and state are kept");
    add_directory(uninstall, "--cni-bin-dir", options.cni_bin_dir, "where runtimes find plugins");
    add_directory(uninstall, "--cni-conf-dir", options.cni_conf_dir,
                  "where runtimes find network configurations");
    add_directory(uninstall, "--etc-dir", options.etc_dir,
                  "the host's /etc, where its network managers are told of our devices");
    uninstall.add_flag("--stay", chosen->stay,
                       "when all is done, wait for SIGTERM: for a DaemonSet, whose pods are "
                       "started again when they end");
    uninstall.callback([&command, chosen] { command = [chosen] { return chosen->run(); }; });
}

} // namespace

int main(int argc, char** argv) try {
    CLI::App app("ipipctl is the operator's command for ipip-cni on this host.");
    Command command;
    app.require_subcommand(1);
    app.set_version_flag("--version", IPIP_VERSION);
    add_uninstall(app, command);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& end) {
        return app.exit(end) == 0 ? done : misused;
    }
    return command();
} catch (const std::exception& error) {
    std::fprintf(stderr, "ipipctl: %s\n", error.what());
    return failed;
}
