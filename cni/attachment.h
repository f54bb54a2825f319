#pragma once

#include "json/field.h"

#include <set>
#include <string>

namespace cni {

/// One interface of one container, as a network knows it.
struct Attachment {
    std::string container;
    std::string interface;

    auto operator<=>(const Attachment&) const = default;
};

/// The attachments that GC is to spare: "cni.dev/valid-attachments" (specification 1.1.0, section
/// "GC") or, where that is missing, "cni.dev/attachments" of its drafts; none where it is null.
/// Throws json::FieldError; also where both are missing, lest everything be taken for garbage.
std::set<Attachment> read_valid_attachments(const json::Field& config);

} // namespace cni
