#include "cni/run.h"

#include "cni/file.h"
#include "cni/log.h"
#include "cni/version.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace cni {

namespace {

constexpr std::size_t longest_input = 64 << 20; // 5,000 nodes take less than one MiB

std::string read_input(int input) {
    if (auto text = read_all(input, longest_input))
        return std::move(*text);
    if (errno == EBADF) // closed: as good as empty
        return {};
    if (errno == EFBIG)
        throw json::SyntaxError("standard input holds more than 64 MiB; pass the network "
                                "configuration alone");
    throw std::system_error(errno, std::generic_category(),
                            "cannot read the configuration from standard input");
}

/// While it lives, a reader that has gone does not end this process.
class WithoutSigpipe {
  public:
    WithoutSigpipe() = default;
    WithoutSigpipe(const WithoutSigpipe&) = delete;
    WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;
    ~WithoutSigpipe() { std::signal(SIGPIPE, before_); }

  private:
    void (*before_)(int) = std::signal(SIGPIPE, SIG_IGN);
};

/// Returns false, and errno, where not all of it could be written.
bool write_all(int output, std::string_view text) {
    const WithoutSigpipe guard;
    while (!text.empty()) {
        const ssize_t size = ::write(output, text.data(), text.size());
        if (size < 0 && errno != EINTR)
            return false;
        text.remove_prefix(size < 0 ? 0 : static_cast<std::size_t>(size));
    }
    return true;
}

json::Value parse_document(const std::string& text) {
    if (text.find_first_not_of(" \t\r\n") == std::string::npos)
        throw json::SyntaxError("standard input is empty; pass the network configuration as JSON");
    try {
        return json::parse(text);
    } catch (const json::SyntaxError& error) {
        throw json::SyntaxError(std::string("standard input is not JSON: ") + error.what());
    }
}

/// VERSION may come without a configuration: before 1.0.0 none was asked for.
json::Value versions(const std::string& text) {
    std::string version = served_versions().back();
    if (!text.empty()) {
        const json::Value document = parse_document(text);
        if (const auto field = json::Field(document).find("cniVersion"))
            version = field->string();
    }
    return {{"cniVersion", version}, {"supportedVersions", served_versions()}};
}

/// A verb is refused in a version that does not have it.
void require_verb(Verb verb, const std::string& version) {
    const char* since = verb == Verb::check                        ? "0.4.0"
                        : verb == Verb::gc || verb == Verb::status ? "1.1.0"
                                                                   : "0.1.0";
    if (!at_least(version, since))
        throw VersionError("cniVersion: \"" + version + "\" has no " + std::string(name(verb)) +
                           "; use " + since + " or later");
}

void write_result(Plugin& plugin, const Call& call, int output) {
    // Paths and what stands in files go into it, and may be no UTF-8.
    if (write_all(output,
                  plugin.add(call).dump(4, ' ', false, json::Value::error_handler_t::replace) +
                      '\n'))
        return;
    // Nobody learned of what was made, so nobody would use it.
    const std::error_code cause(errno, std::generic_category());
    plugin.del(call);
    throw std::system_error(cause, "cannot write the result to standard output");
}

void serve(Plugin& plugin, const Environment& environment, int input, int output,
           std::string& version) {
    const std::string text = read_input(input);
    if (environment.verb == Verb::version) {
        write_all(output, versions(text).dump(4) + '\n');
        return;
    }
    const json::Value document = parse_document(text);
    const json::Field config(document);
    version = read_version(config);
    require_verb(environment.verb, version);
    const Call call{environment, config, version};
    switch (environment.verb) {
    case Verb::add:
        return write_result(plugin, call, output);
    case Verb::del:
        return plugin.del(call);
    case Verb::check:
        return plugin.check(call);
    case Verb::gc:
        return plugin.gc(call);
    case Verb::status:
        return plugin.status(call);
    case Verb::version:
        return;
    }
}

Error describe(const Plugin& plugin, const std::exception& exception) {
    const auto* several = dynamic_cast<const MoreFailures*>(&exception);
    if (several == nullptr)
        return plugin.describe(exception);
    try {
        std::rethrow_exception(several->first());
    } catch (const std::exception& first) {
        Error error = plugin.describe(first);
        for (const std::string& other : several->others())
            error.details += (error.details.empty() ? "" : "; ") + other;
        return error;
    }
}

} // namespace

int run(Plugin& plugin, const char* (*get_variable)(const char*), int input, int output) {
    std::string version = served_versions().back();
    try {
        serve(plugin, read_environment(get_variable), input, output, version);
        return 0;
    } catch (const std::exception& exception) {
        const Error error = describe(plugin, exception);
        log_error(error.details.empty() ? error.message : error.message + "; " + error.details);
        write_all(output, to_json(error, version) + '\n');
        return 1;
    }
}

void run_and_exit(Plugin& plugin) {
    std::exit(run(
        plugin, [](const char* name) -> const char* { return std::getenv(name); }, STDIN_FILENO,
        STDOUT_FILENO));
}

} // namespace cni
