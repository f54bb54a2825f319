#include "cni/attachment.h"

namespace cni {

/// The list's key; the current one where there is none.
static const char* find_key(const json::Value& config) {
    constexpr const char* current = "cni.dev/valid-attachments";
    constexpr const char* older = "cni.dev/attachments";
    return !config.contains(current) && config.contains(older) ? older : current;
}

std::set<Attachment> read_valid_attachments(const json::Field& config) {
    const char* key = find_key(config.object());
    std::set<Attachment> valid;
    // Go writes a list that nobody filled as null, and libcni passes it on.
    if (config.object().contains(key) && config.object().at(key).is_null())
        return valid;
    const json::Field list = config.require(key, "list what is in use, [] where nothing is");
    for (const json::Field& entry : list.array())
        valid.insert({entry.require("containerID", "an attachment has one").string(),
                      entry.require("ifname", "an attachment has one").string()});
    return valid;
}

} // namespace cni
