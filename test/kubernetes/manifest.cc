#include "test/kubernetes/manifest.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <yaml-cpp/yaml.h>

namespace scene {

namespace {

/// An object of a manifest: its text, and the path that the server has it at.
struct Document {
    std::string path;
    std::string text;
};

/// As text, since yaml-cpp would write a quoted "true" without its quotes.
std::vector<std::string> documents_of(const std::filesystem::path& manifest) {
    std::ifstream file(manifest);
    if (!file)
        throw std::runtime_error("cannot read " + manifest.string());
    std::vector<std::string> documents{""};
    for (std::string line; std::getline(file, line);)
        if (line == "---")
            documents.emplace_back();
        else
            documents.back() += line + '\n';
    return documents;
}

/// "ClusterRole" of rbac.authorization.k8s.io/v1 ->
/// "/apis/rbac.authorization.k8s.io/v1/clusterroles"
std::string collection_of(const Client& client, const std::string& version, const std::string& kind,
                          const std::string& space) {
    const std::string group = (version.find('/') == version.npos ? "/api/" : "/apis/") + version;
    const Json resources = client.get(group).at("resources");
    const auto found = std::ranges::find_if(resources, [&](const Json& resource) {
        return resource.at("kind") == kind &&
               resource.at("name").get<std::string>().find('/') == std::string::npos;
    });
    if (found == resources.end())
        throw std::runtime_error("the server has no " + kind + " in " + version);
    return group + (found->at("namespaced") ? "/namespaces/" + space : "") + '/' +
           found->at("name").get<std::string>();
}

std::vector<Document> read(const Client& client, const std::filesystem::path& manifest) {
    std::vector<Document> documents;
    for (const std::string& text : documents_of(manifest)) {
        const YAML::Node object = YAML::Load(text);
        if (object.IsNull())
            continue;
        const YAML::Node metadata = object["metadata"];
        if (!object["apiVersion"] || !object["kind"] || !metadata || !metadata["name"])
            throw std::runtime_error(manifest.string() + " has a document that is no object");
        const std::string space = metadata["namespace"].as<std::string>("default");
        documents.push_back({collection_of(client, object["apiVersion"].as<std::string>(),
                                           object["kind"].as<std::string>(), space) +
                                 '/' + metadata["name"].as<std::string>(),
                             text});
    }
    return documents;
}

} // namespace

void apply_manifest(const Client& client, const std::filesystem::path& manifest) {
    for (const Document& document : read(client, manifest)) {
        const Request request{.method = "PATCH",
                              .path = document.path + "?fieldManager=tests&force=true",
                              .body = document.text,
                              .content_type = "application/apply-patch+yaml"};
        if (const Response response = client.send(request);
            response.status != 200 && response.status != 201)
            throw Refusal(request, response);
    }
}

void withdraw_manifest(const Client& client, const std::filesystem::path& manifest) {
    std::vector<std::string> paths;
    for (const Document& document : read(client, manifest))
        paths.push_back(document.path);
    client.remove_all(paths);
}

} // namespace scene
