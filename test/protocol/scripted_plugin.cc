#include "test/protocol/scripted_plugin.h"

#include <fstream>
#include <iterator>

namespace scene {

ScriptedPlugin::ScriptedPlugin(std::string name) : name_(std::move(name)) {
    std::ofstream(program()) << "#!/bin/sh\n"
                             << "cd " << path() << "\n"
                             << "cat >config.$CNI_COMMAND\n"
                             << "env >environment.$CNI_COMMAND\n"
                             << "printf '%s ' $CNI_COMMAND >>calls\n"
                             << "[ ! -e on.$CNI_COMMAND ] || . ./on.$CNI_COMMAND\n";
    std::filesystem::permissions(program(), std::filesystem::perms::owner_all);
}

void ScriptedPlugin::on(const std::string& verb, const std::string& lines) const {
    std::ofstream(folder_.path() / ("on." + verb)) << lines << '\n';
}

void ScriptedPlugin::gives(const Json& result) const {
    on("ADD", "cat <<'EOF'\n" + result.dump() + "\nEOF");
}

std::string ScriptedPlugin::calls() const {
    std::string verbs = text("calls");
    if (!verbs.empty())
        verbs.pop_back();
    return verbs;
}

Json ScriptedPlugin::config(const std::string& verb) const {
    return Json::parse(text("config." + verb), nullptr, false);
}

std::string ScriptedPlugin::variable(const std::string& verb, const std::string& name) const {
    std::ifstream file(folder_.path() / ("environment." + verb));
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(name + '='))
            return line.substr(name.size() + 1);
    return {};
}

std::string ScriptedPlugin::text(const std::string& file) const {
    std::ifstream stream(folder_.path() / file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

} // namespace scene
