#include "agent/kube_config.h"

#include "cni/file.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

namespace agent {

namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path, const std::string& what) {
    if (auto text = cni::read_file(path))
        return *std::move(text);
    throw KubeConfigError(what + ": " + path.string() + " cannot be read");
}

std::string without_blanks(std::string text) {
    std::erase_if(text, [](char c) { return c == '\n' || c == '\r' || c == ' '; });
    return text;
}

/// What goes into a header, where an end of line would begin another one.
std::string checked_token(const std::string& text, const std::string& what) {
    std::string token = without_blanks(text); // YAML's blocks and files end with one
    if (token.empty() || !std::ranges::all_of(token, [](char c) { return c > ' ' && c < 127; }))
        throw KubeConfigError(what + " is no token; give one of letters and digits");
    return token;
}

std::string decode_base64(const std::string& encoded, const std::string& key) {
    std::string bytes;
    unsigned collected = 0;
    int bits = 0;
    for (const char c : without_blanks(encoded)) {
        static constexpr std::string_view digits =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        if (c == '=')
            break;
        const auto digit = digits.find(c);
        if (digit == digits.npos)
            throw KubeConfigError(key + " is not base64");
        collected = collected << 6 | static_cast<unsigned>(digit);
        bits += 6;
        if (bits >= 8)
            bytes += static_cast<char>(collected >> (bits -= 8) & 0xff);
    }
    return bytes;
}

std::string text(const YAML::Node& node, const char* key) {
    const YAML::Node value = node[key];
    return value && value.IsScalar() ? value.as<std::string>() : std::string();
}

/// The entry of a list that has this name, as kubeconfig keeps clusters, users and contexts.
YAML::Node named(const YAML::Node& document, const char* list, const char* inner,
                 const std::string& name, const std::string& file) {
    if (const YAML::Node entries = document[list]; entries && entries.IsSequence())
        for (const YAML::Node& entry : entries)
            if (text(entry, "name") == name && entry[inner] && entry[inner].IsMap())
                return entry[inner];
    throw KubeConfigError(file + ": " + list + " has no \"" + name + "\"; name one that is there");
}

class Reader {
  public:
    explicit Reader(const fs::path& path) : path_(path) {}

    /// What has another shape than a kubeconfig, YAML has no such member of.
    KubeConfig read() {
        try {
            return read(load());
        } catch (const YAML::Exception& error) {
            fail(std::string("is no kubeconfig; it has clusters, users, contexts and a "
                             "current-context: ") +
                 error.what());
        }
    }

  private:
    KubeConfig read(const YAML::Node& document) {
        const std::string current = text(document, "current-context");
        if (current.empty())
            fail("current-context is missing; name one of the contexts");
        const YAML::Node context = named(document, "contexts", "context", current, path_.string());
        const YAML::Node cluster =
            named(document, "clusters", "cluster", text(context, "cluster"), path_.string());
        const YAML::Node user =
            named(document, "users", "user", text(context, "user"), path_.string());
        KubeConfig config{.server = text(cluster, "server"),
                          .http = {},
                          .files = std::make_shared<PrivateFiles>()};
        while (config.server.ends_with('/'))
            config.server.pop_back();
        if (!config.server.starts_with("https://"))
            fail("server: \"" + config.server + "\" is no https:// address; tokens go to no other");
        if (text(cluster, "insecure-skip-tls-verify") == "true")
            fail("insecure-skip-tls-verify is not done; give certificate-authority instead");
        config.http.ca_file = file_of(cluster, "certificate-authority", *config.files);
        config.http.client_certificate = file_of(user, "client-certificate", *config.files);
        config.http.client_key = file_of(user, "client-key", *config.files);
        read_token(user, config.http);
        return config;
    }

    YAML::Node load() const {
        try {
            YAML::Node document = YAML::Load(read_file(path_, "--kubeconfig"));
            if (!document.IsMap())
                fail("is no kubeconfig; it has clusters, users, contexts and a current-context");
            return document;
        } catch (const YAML::Exception& error) {
            fail(std::string("is not YAML: ") + error.what());
        }
    }

    /// The path under `key`, or a file made of what stands under `key`-data.
    std::string file_of(const YAML::Node& node, const std::string& key, PrivateFiles& files) const {
        if (const std::string data = text(node, (key + "-data").c_str()); !data.empty())
            return files.write(key, decode_base64(data, path_.string() + ": " + key + "-data"));
        const std::string path = text(node, key.c_str());
        if (path.empty())
            return {};
        const fs::path whole = path_.parent_path() / path; // relative ones are so to the file
        read_file(whole, path_.string() + ": " + key);
        return whole;
    }

    void read_token(const YAML::Node& user, HttpSettings& http) const {
        if (const std::string token = text(user, "token"); !token.empty()) {
            http.token = [token = checked_token(token, path_.string() + ": token")] {
                return token;
            };
        } else if (const std::string file = text(user, "tokenFile"); !file.empty()) {
            const fs::path whole = path_.parent_path() / file;
            const auto read = [whole](const std::string& what) {
                return checked_token(read_file(whole, what), what + ": " + whole.string());
            };
            read(path_.string() + ": tokenFile");
            http.token = [read] { return read("tokenFile"); };
        } else if (http.client_certificate.empty()) {
            fail("the user has neither token, tokenFile nor client-certificate; give one (exec and "
                 "auth-provider are not done)");
        }
    }

    [[noreturn]] void fail(const std::string& why) const {
        throw KubeConfigError(path_.string() + ": " + why);
    }

    fs::path path_;
};

} // namespace

PrivateFiles::PrivateFiles() {
    std::string pattern = (fs::temp_directory_path() / "ipipd-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
        throw KubeConfigError("cannot make a directory in " + fs::temp_directory_path().string() +
                              "; set TMPDIR to one");
    directory_ = pattern;
}

PrivateFiles::~PrivateFiles() {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
}

std::string PrivateFiles::write(const std::string& name, const std::string& content) {
    const fs::path path = directory_ / name;
    std::ofstream file(path); // in a directory of ours alone
    file << content << std::flush;
    if (!file)
        throw KubeConfigError("cannot write " + path.string());
    return path;
}

KubeConfig read_kubeconfig(const fs::path& path) {
    return Reader(path).read();
}

KubeConfig in_cluster_config() {
    const fs::path account = "/var/run/secrets/kubernetes.io/serviceaccount";
    const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
    const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
    if (host == nullptr || port == nullptr)
        throw KubeConfigError("this is no pod of a cluster (KUBERNETES_SERVICE_HOST is not set); "
                              "pass --kubeconfig or --nodes-file");
    const std::string name = host;
    const bool is_v6 = name.find(':') != name.npos;
    read_file(account / "token", "the service account's token");
    read_file(account / "ca.crt", "the cluster's certificate authority");
    return {.server = "https://" + (is_v6 ? '[' + name + ']' : name) + ':' + port,
            .http = {.ca_file = account / "ca.crt",
                     .client_certificate = {},
                     .client_key = {},
                     .token =
                         [account] {
                             return without_blanks(
                                 read_file(account / "token", "the service account's token"));
                         }},
            .files = nullptr};
}

} // namespace agent
