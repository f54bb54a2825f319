#include "plugin/run.h"

#include "plugin/error.h"
#include "plugin/log.h"
#include "plugin/verbs.h"

#include <algorithm>
#include <cerrno>
#include <istream>
#include <ostream>
#include <system_error>

namespace plugin {

namespace {

constexpr std::size_t longest_input = 64 << 20; // 5,000 nodes take less than one MiB

json::Value read_document(std::istream& input) {
    std::string text;
    for (char block[4096]; input.read(block, sizeof block) || input.gcount() > 0;) {
        text.append(block, static_cast<std::size_t>(input.gcount()));
        if (text.size() > longest_input)
            throw json::SyntaxError("standard input holds more than 64 MiB; pass the network "
                                    "configuration alone");
    }
    if (text.find_first_not_of(" \t\r\n") == std::string::npos)
        throw json::SyntaxError("standard input is empty; pass the network configuration as JSON");
    try {
        return json::parse(text);
    } catch (const json::SyntaxError& error) {
        throw json::SyntaxError(std::string("standard input is not JSON: ") + error.what());
    }
}

/// VERSION may come without a configuration: before 1.0.0 none was asked for.
json::Value versions(std::istream& input) {
    std::string version = served_versions().back();
    if (input.peek() != std::istream::traits_type::eof()) {
        const json::Value document = read_document(input);
        if (const auto field = json::Field(document).find("cniVersion"))
            version = field->string();
    }
    return {{"cniVersion", version}, {"supportedVersions", served_versions()}};
}

void call(const Environment& environment, std::istream& input, std::ostream& output,
          std::string& version) {
    if (environment.verb == Verb::version) {
        output << versions(input).dump(4) << '\n';
        return;
    }
    const json::Value document = read_document(input);
    const json::Field field(document);
    version = read_version(field);
    if (environment.verb == Verb::del) {
        try {
            open_log(read_log(field));
        } catch (const json::FieldError& error) { // the pod is to go all the same
            log_warning(error.what());
        }
        del(environment, read_identity(field));
        return;
    }
    Config config = read_config(field);
    if (const auto& address = environment.requested;
        address && std::ranges::find(config.requested, *address) == config.requested.end())
        config.requested.push_back(*address);
    open_log(config.log);
    for (const std::string& key : config.unknown_keys)
        log_warning(key + ": is an unknown key and has no effect");
    output << add(environment, config).dump(4) << '\n' << std::flush;
    if (!output) { // nobody learned of the pod's wiring, so nobody would use it
        const std::error_code cause(errno, std::generic_category());
        del(environment, config.identity);
        throw std::system_error(cause, "cannot write the result to standard output");
    }
}

} // namespace

int run(const char* (*get_variable)(const char*), std::istream& input, std::ostream& output) {
    std::string version = served_versions().back();
    try {
        call(read_environment(get_variable), input, output, version);
        return 0;
    } catch (const std::exception& exception) {
        const CniError error = to_cni_error(exception);
        log_error(error.message);
        output << to_json(error, version) << '\n';
        return 1;
    }
}

} // namespace plugin
