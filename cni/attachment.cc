#include "cni/attachment.h"

namespace cni {

static json::Field find_list(const json::Field& config) {
    constexpr const char* key = "cni.dev/valid-attachments";
    if (!config.find(key))
        if (const auto older = config.find("cni.dev/attachments"))
            return *older;
    return config.require(key, "list what is in use, [] where nothing is");
}

std::set<Attachment> read_valid_attachments(const json::Field& config) {
    std::set<Attachment> valid;
    for (const json::Field& entry : find_list(config).array())
        valid.insert({entry.require("containerID", "an attachment has one").string(),
                      entry.require("ifname", "an attachment has one").string()});
    return valid;
}

} // namespace cni
