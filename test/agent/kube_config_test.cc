#include "agent/kube_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <unistd.h>

namespace agent {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class KubeConfigFile : public testing::Test {
  protected:
    KubeConfigFile() {
        std::string pattern = testing::TempDir() + "ipip-kubeconfig-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
        write("ca.crt", "the authority");
        write("token", "first\n");
    }
    ~KubeConfigFile() override { fs::remove_all(folder_); }

    void write(const char* name, const std::string& text) const {
        std::ofstream(folder_ / name) << text;
    }
    static std::string content(const fs::path& path) {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    KubeConfig read(const std::string& cluster, const std::string& user) const {
        write("config", "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
                        "contexts: [{name: other}, {name: here, context: {cluster: c, user: u}}]\n"
                        "clusters: [{name: c, cluster: {" +
                            cluster + "}}]\nusers: [{name: u, user: {" + user + "}}]\n");
        return read_kubeconfig(folder_ / "config");
    }
    std::string refused(const std::string& cluster, const std::string& user) const {
        try {
            read(cluster, user);
        } catch (const KubeConfigError& error) {
            return error.what();
        }
        return "(no complaint)";
    }

    const std::string good = "server: 'https://192.0.2.1:6443/', certificate-authority: ca.crt";
    fs::path folder_;
};

TEST_F(KubeConfigFile, GivesTheServerAndItsAuthority) {
    const KubeConfig config = read(good, "token: abc");
    EXPECT_EQ(config.server, "https://192.0.2.1:6443");
    EXPECT_EQ(content(config.http.ca_file), "the authority");
    EXPECT_EQ(config.http.token(), "abc");
}

TEST_F(KubeConfigFile, ReadsATokenFileAgainForEachRequest) {
    const KubeConfig config = read(good, "tokenFile: token");
    EXPECT_EQ(config.http.token(), "first");
    write("token", "second");
    EXPECT_EQ(config.http.token(), "second");
}

TEST_F(KubeConfigFile, KeepsInlineDataInFilesOfItsOwnThatGoWithIt) {
    fs::path key;
    {
        const KubeConfig config = read("server: 'https://a', certificate-authority-data: dGhlIENB",
                                       "client-certificate-data: Y2VydA==, client-key-data: a2V5");
        EXPECT_EQ(content(config.http.ca_file), "the CA");
        EXPECT_EQ(content(config.http.client_certificate), "cert");
        key = config.http.client_key;
        EXPECT_EQ(content(key), "key");
        struct stat status {};
        ASSERT_EQ(::stat(key.parent_path().c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 077, 0U) << "nobody else reads the key";
    }
    EXPECT_FALSE(fs::exists(key));
}

TEST_F(KubeConfigFile, IsRefusedByWhatIsWrongInIt) {
    EXPECT_THAT(refused("server: 'http://a'", "token: x"), HasSubstr("no https:// address"));
    EXPECT_THAT(refused("server: 'https://a', insecure-skip-tls-verify: true", "token: x"),
                HasSubstr("give certificate-authority"));
    EXPECT_THAT(refused("server: 'https://a', certificate-authority: nowhere", "token: x"),
                HasSubstr("nowhere cannot be read"));
    EXPECT_THAT(refused("server: 'https://a', certificate-authority-data: '***'", "token: x"),
                HasSubstr("certificate-authority-data is not base64"));
    EXPECT_THAT(refused(good, "exec: {command: x}"), HasSubstr("neither token, tokenFile nor"));
    EXPECT_THAT(refused(good, "tokenFile: nowhere"), HasSubstr("nowhere cannot be read"));
}

TEST_F(KubeConfigFile, ThatIsNoneIsRefused) {
    const auto refusal = [&](const std::string& text) {
        write("config", text);
        try {
            read_kubeconfig(folder_ / "config");
        } catch (const KubeConfigError& error) {
            return std::string(error.what());
        }
        return std::string("(no complaint)");
    };
    EXPECT_THAT(refusal("{"), HasSubstr("is not YAML"));
    EXPECT_THAT(refusal("[]"), HasSubstr("is no kubeconfig"));
    EXPECT_THAT(refusal("{}"), HasSubstr("current-context is missing"));
    EXPECT_THAT(refusal("current-context: x"), HasSubstr("contexts has no \"x\""));
    EXPECT_THROW(read_kubeconfig(folder_ / "absent"), KubeConfigError);
    EXPECT_THROW(read_kubeconfig(folder_), KubeConfigError);
    EXPECT_THAT(refusal("{current-context: x, contexts: [x]}"), HasSubstr("is no kubeconfig"));
}

TEST_F(KubeConfigFile, WithADirectoryForAFileIsRefused) {
    const std::string server = "server: 'https://192.0.2.1:6443'";
    EXPECT_THAT(refused(server + ", certificate-authority: .", "token: abc"),
                HasSubstr("certificate-authority: "));
    EXPECT_THAT(refused(server, "tokenFile: ."), HasSubstr("tokenFile: "));
}

TEST_F(KubeConfigFile, HasATokenThatStaysInItsLine) {
    EXPECT_EQ(read(good, R"(token: "abc\n")").http.token(), "abc");
    EXPECT_THAT(refused(good, R"(token: "a\tb")"), HasSubstr("token is no token"));
    write("token", "a\tb");
    EXPECT_THAT(refused(good, "tokenFile: token"), HasSubstr("is no token"));
}

TEST(InCluster, IsRefusedOutsideOfOne) {
    ::unsetenv("KUBERNETES_SERVICE_HOST");
    try {
        in_cluster_config();
        ADD_FAILURE() << "no complaint";
    } catch (const KubeConfigError& error) {
        EXPECT_THAT(error.what(), HasSubstr("pass --kubeconfig or --nodes-file"));
    }
}

} // namespace
} // namespace agent
