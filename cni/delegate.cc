#include "cni/delegate.h"

#include "cni/child.h"
#include "cni/error.h"
#include "cni/log.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <sys/wait.h>
#include <unistd.h>

namespace cni {

namespace {

std::string find(const json::Field& type, const std::vector<std::string>& path) {
    const std::string& name = type.string();
    // The specification's own rule: it must not lead out of the directories.
    if (name.empty() || name == "." || name == ".." || name.find_first_of("/\\") != name.npos ||
        name.find('\0') != name.npos)
        type.fail(type.shown() + " is no name of a plugin; use one such as \"host-local\"");
    std::string searched;
    for (const std::string& directory : path) {
        const std::string program = directory + '/' + name;
        std::error_code none;
        if (std::filesystem::is_regular_file(program, none) && ::access(program.c_str(), X_OK) == 0)
            return program;
        searched += (searched.empty() ? "" : ", ") + directory;
    }
    throw Failure(delegate_failed,
                  type.path() + ": the plugin \"" + name + "\" is " +
                      (path.empty() ? "not to be found, as CNI_PATH names no directory"
                                    : "in no directory of CNI_PATH (" + searched + ")") +
                      "; install it there");
}

/// As an error shows it.
std::string shortened(const std::string& text) {
    constexpr std::size_t most = 1000;
    std::string line = text.substr(0, most);
    while (!line.empty() && (line.back() == '\n' || line.back() == ' '))
        line.pop_back();
    return '"' + line + (text.size() > most ? "...\"" : "\"");
}

std::string printed(const Ended& ended) {
    std::string text;
    if (!ended.output.empty())
        text += "; it printed " + shortened(ended.output);
    if (!ended.log.empty())
        text += "; on standard error " + shortened(ended.log);
    return text.empty() ? "; it printed nothing" : text;
}

/// The specification's error document, if that is what a plugin that failed left.
std::optional<Error> read_error(const json::Value& document) {
    const auto text = [&](const char* key) {
        const auto found = document.find(key);
        return found != document.end() && found->is_string() ? found->get<std::string>() : "";
    };
    if (!document.is_object() || !document.contains("code") ||
        !document.at("code").is_number_unsigned())
        return std::nullopt;
    const auto code = document.at("code").get<std::uint64_t>();
    if (code == 0 || code > std::numeric_limits<unsigned>::max())
        return std::nullopt;
    return Error{static_cast<unsigned>(code), text("msg"), text("details")};
}

std::string behind_colon(const std::string& text) {
    return text.empty() ? text : ": " + text;
}

std::string shown_end(const Ended& ended) {
    if (WIFSIGNALED(ended.status))
        return "was ended by signal " + std::to_string(WTERMSIG(ended.status));
    return "failed with exit status " + std::to_string(WEXITSTATUS(ended.status));
}

void require_end(const Ended& ended, const std::string& who, std::chrono::milliseconds patience) {
    const auto killed = [&](const std::string& why) {
        return Failure(delegate_failed, who + "was killed: it " + why + printed(ended));
    };
    if (ended.cut == Ended::Cut::too_long)
        throw killed("did not end within " +
                     std::to_string(std::chrono::ceil<std::chrono::seconds>(patience).count()) +
                     " s");
    if (ended.cut == Ended::Cut::too_much)
        throw killed("printed more than " + std::to_string(output_limit >> 20) + " MiB");
}

void require_success(const Ended& ended, const std::string& who, const json::Value& document) {
    if (WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 0)
        return;
    const auto error = read_error(document);
    if (!error)
        throw Failure(delegate_failed, who + shown_end(ended) + printed(ended));
    const bool silent = error->message.empty() && error->details.empty();
    throw Failure(error->code, who + "failed" + behind_colon(error->message) +
                                   behind_colon(error->details) + (silent ? printed(ended) : ""));
}

std::vector<std::string> environment_for(Verb verb) {
    std::vector<std::string> variables{"CNI_COMMAND=" + std::string(name(verb))};
    for (char** variable = environ; *variable != nullptr; ++variable)
        if (!std::string_view(*variable).starts_with("CNI_COMMAND="))
            variables.emplace_back(*variable);
    return variables;
}

} // namespace

Delegate::Delegate(const json::Field& type, const std::vector<std::string>& path,
                   std::chrono::milliseconds patience)
    : program_(find(type, path)), patience_(patience) {}

json::Value Delegate::call(Verb verb, const json::Value& config) const {
    const std::string who = "the plugin " + program_ + " (" + std::string(name(verb)) + ") ";
    const Ended ended = [&] {
        try {
            return run_child(program_, environment_for(verb), config.dump(), patience_);
        } catch (const std::system_error& error) {
            throw Failure(delegate_failed, error.what());
        }
    }();
    if (!ended.log.empty()) // also of one that fails
        log_info(who + "said " + shortened(ended.log));
    require_end(ended, who, patience_);
    const json::Value document = json::Value::parse(ended.output, nullptr, false);
    require_success(ended, who, document);
    if (ended.output.find_first_not_of(" \t\r\n") == std::string::npos)
        return nullptr;
    if (document.is_discarded())
        throw Failure(delegate_failed, who + "did not answer in JSON" + printed(ended));
    return document;
}

} // namespace cni
