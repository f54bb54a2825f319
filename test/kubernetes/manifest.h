#pragma once

#include "test/kubernetes/client.h"

#include <filesystem>

namespace scene {

/// Brings all objects of a YAML file to the server, as "kubectl apply --server-side" does: those
/// that are there become as the file says. Throws Refusal, and std::runtime_error where a document
/// is no object or of a kind that the server does not have.
void apply_manifest(const Client& client, const std::filesystem::path& manifest);

/// Removes all of them.
void withdraw_manifest(const Client& client, const std::filesystem::path& manifest);

} // namespace scene
