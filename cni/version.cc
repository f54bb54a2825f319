#include "cni/version.h"

#include <algorithm>

namespace cni {

const std::vector<std::string>& served_versions() {
    static const std::vector<std::string> versions{"0.1.0", "0.2.0", "0.3.0", "0.3.1",
                                                   "0.4.0", "1.0.0", "1.1.0"};
    return versions;
}

void require_served(const json::Field& version) {
    if (std::ranges::find(served_versions(), version.string()) != served_versions().end())
        return;
    std::string list;
    for (const std::string& served : served_versions())
        list += (list.empty() ? "" : ", ") + served;
    throw VersionError(version.path() + ": " + version.shown() + " is not served; use one of " +
                       list);
}

std::string read_version(const json::Field& config) {
    const auto field = config.find("cniVersion");
    if (!field || field->string().empty()) // libcni writes it so where a list has none
        return served_versions().front();
    require_served(*field);
    return field->string();
}

bool at_least(const std::string& version, const std::string& other) {
    const auto rank = [](const std::string& which) {
        return std::ranges::find(served_versions(), which) - served_versions().begin();
    };
    return rank(version) >= rank(other);
}

} // namespace cni
