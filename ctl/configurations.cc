#include "ctl/configurations.h"

#include "cni/file.h"
#include "ctl/removal.h"
#include "json/field.h"

namespace ctl {

namespace {

namespace fs = std::filesystem;

std::string string_at(const json::Value& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const json::Value& main_plugin(const json::Value& document) {
    const auto list = document.find("plugins");
    const bool is_list = list != document.end() && list->is_array() && !list->empty();
    return is_list ? list->front() : document;
}

bool is_read_by_runtimes(const fs::path& file) {
    const fs::path extension = file.extension();
    return extension == ".conflist" || extension == ".conf" || extension == ".json";
}

} // namespace

std::optional<Configuration> read_configuration(std::string_view text) {
    try {
        const json::Value document = json::parse(text);
        if (!document.is_object())
            return std::nullopt;
        const json::Value& plugin = main_plugin(document);
        if (!plugin.is_object() || string_at(plugin, "type") != "ipip")
            return std::nullopt;
        Configuration configuration{.network = string_at(document, "name"), .state_dir = {}};
        if (const fs::path state_dir = string_at(plugin, "stateDir"); state_dir.is_absolute())
            configuration.state_dir = state_dir;
        return configuration;
    } catch (const json::SyntaxError&) {
        return std::nullopt;
    }
}

std::vector<Configuration> find_configurations(const fs::path& directory) {
    std::vector<Configuration> configurations;
    for (const fs::path& path : entries_of(directory)) {
        std::error_code gone;
        if (!is_read_by_runtimes(path) || !fs::is_regular_file(path, gone))
            continue;
        const auto text = cni::read_file(path);
        if (auto found = text ? read_configuration(*text) : std::nullopt) {
            found->file = path;
            configurations.push_back(*std::move(found));
        }
    }
    return configurations;
}

} // namespace ctl
