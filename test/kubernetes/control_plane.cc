#include "test/kubernetes/control_plane.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace scene {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

using Clock = std::chrono::steady_clock;

// Many times what it takes on an emulated processor, which may be one of many busy processes.
constexpr seconds patience{1200};

std::string program(const std::string& name) {
    const char* directory = std::getenv("IPIP_KUBERNETES");
    if (directory == nullptr)
        throw std::runtime_error("IPIP_KUBERNETES is not set; it must be the directory that "
                                 "test/kubernetes/build.sh prints");
    return std::string(directory) + '/' + name;
}

std::string server_url(const std::string& address) {
    return "https://" + address + ':' + std::to_string(ControlPlane::port);
}

/// What kube-apiserver is told, but for its files.
Words server_options() {
    return {
        "--secure-port=" + std::to_string(ControlPlane::port),
        "--bind-address=0.0.0.0",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--etcd-servers=http://127.0.0.1:2379",
        "--etcd-compaction-interval=0", // the tests decide
        "--authorization-mode=RBAC",
        "--anonymous-auth=false",
        "--service-account-issuer=https://kubernetes.default.svc",
        // The rest spares an emulated processor: half of a start's work is the description of
        // all APIs.
        "--runtime-config=api/all=false,api/v1=true,apps/v1=true,apiextensions.k8s.io/v1=true,"
        "apiregistration.k8s.io/v1=true,authentication.k8s.io/v1=true,"
        "authorization.k8s.io/v1=true,coordination.k8s.io/v1=true,"
        "rbac.authorization.k8s.io/v1=true",
        "--disable-admission-plugins=CertificateApproval,CertificateSigning,"
        "CertificateSubjectRestriction,DefaultIngressClass,DefaultStorageClass,"
        "DefaultTolerationSeconds,LimitRanger,MutatingAdmissionWebhook,PersistentVolumeClaimResize,"
        "Priority,ResourceQuota,RuntimeClass,ServiceAccount,StorageObjectInUseProtection,"
        "ValidatingAdmissionWebhook",
        "--feature-gates=APIPriorityAndFairness=false",
        "--profiling=false",
    };
}

} // namespace

ControlPlane::ControlPlane() : authority_(folder_.path()) {
    const std::filesystem::path& folder = folder_.path();
    const Authority::Pair server = authority_.server("kube-apiserver", {"127.0.0.1", address});
    const Authority::Pair accounts = authority_.client("service-accounts", "service-accounts", "");
    admin_identity_ = user("admin", "system:masters");
    admin_.emplace(client(admin_identity_));
    store_.emplace("http://127.0.0.1:2379", "", Identity());

    command_ = {program("kube-apiserver")};
    for (const Words& more :
         {server_options(),
          Words{"--client-ca-file=" + authority_.certificate(),
                "--tls-cert-file=" + server.certificate, "--tls-private-key-file=" + server.key,
                "--service-account-key-file=" + accounts.certificate,
                "--service-account-signing-key-file=" + accounts.key}})
        command_.insert(command_.end(), more.begin(), more.end());
    etcd_.emplace(Program{.words = {program("etcd"), "--data-dir=" + (folder / "etcd").string(),
                                    "--unsafe-no-fsync", "--logger=zap"}},
                  folder / "etcd.log");
    start();
}

ControlPlane& ControlPlane::shared() {
    static ControlPlane instance;
    return instance;
}

Client ControlPlane::client(const Identity& identity, const std::string& at) const {
    return {server_url(at), authority(), identity};
}

Identity ControlPlane::user(const std::string& name, const std::string& group) const {
    const Authority::Pair pair = authority_.client("user-" + name, name, group);
    return {.certificate = pair.certificate, .key = pair.key};
}

Identity ControlPlane::service_account(const std::string& space, const std::string& name,
                                       seconds life) const {
    const Json answer = admin_->create(
        "/api/v1/namespaces/" + space + "/serviceaccounts/" + name + "/token",
        {{"apiVersion", "authentication.k8s.io/v1"},
         {"kind", "TokenRequest"},
         {"spec", {{"audiences", Json::array()}, {"expirationSeconds", life.count()}}}});
    return {.token = answer.at("status").at("token")};
}

std::string ControlPlane::kubeconfig(const Identity& identity) const {
    std::string text = "apiVersion: v1\n"
                       "kind: Config\n"
                       "current-context: tests\n"
                       "contexts:\n"
                       "- name: tests\n"
                       "  context: {cluster: tests, user: agent}\n"
                       "clusters:\n"
                       "- name: tests\n"
                       "  cluster:\n"
                       "    server: " +
                       server_url(address) +
                       "\n"
                       "    certificate-authority: " +
                       authority() +
                       "\n"
                       "users:\n"
                       "- name: agent\n"
                       "  user:\n";
    if (!identity.token.empty())
        text += "    token: " + identity.token + '\n';
    if (!identity.certificate.empty())
        text += "    client-certificate: " + identity.certificate +
                "\n    client-key: " + identity.key + '\n';
    return text;
}

void ControlPlane::stop() {
    server_->signal(SIGTERM);
    if (!server_->ended(seconds(1)))
        server_->end(SIGTERM, patience); // the second one it obeys at once
}

void ControlPlane::kill() {
    server_->end(SIGKILL, patience);
}

void ControlPlane::start() {
    server_.emplace(Program{.words = command_}, folder_.path() / "kube-apiserver.log");
    await_ready();
}

void ControlPlane::await_ready() {
    const auto deadline = Clock::now() + patience;
    std::string answer = "nothing";
    milliseconds pause{0};
    // Only its end would be an event; until it listens nobody can wait for it.
    while (!server_->ended(pause) && !etcd_->ended() && Clock::now() < deadline) {
        const auto asked = Clock::now();
        try {
            const Response response = admin_->send({.path = "/readyz?verbose"});
            if (response.status == 200)
                return;
            answer = response.body;
        } catch (const std::runtime_error& error) {
            answer = error.what();
        }
        // Answering is not to take a greater part of its time.
        pause = std::min<milliseconds>(std::chrono::ceil<milliseconds>(Clock::now() - asked) * 10,
                                       seconds(2));
    }
    throw std::runtime_error("kube-apiserver is not ready: " + answer + "\netcd says:\n" +
                             etcd_->last_words() + "\nkube-apiserver says:\n" +
                             server_->last_words());
}

Json ControlPlane::etcd(const std::string& call, const Json& argument) const {
    const Request request{.method = "POST", .path = "/v3/" + call, .body = argument.dump()};
    const Response response = store_->send(request);
    if (response.status != 200)
        throw Refusal(request, response);
    return response.json();
}

std::int64_t ControlPlane::revision() const {
    const Json answer = etcd("kv/range", {{"key", "AA=="}, {"count_only", true}});
    return std::stoll(answer.at("header").at("revision").get<std::string>());
}

void ControlPlane::compact() const {
    etcd("kv/compaction", {{"revision", std::to_string(revision())}, {"physical", true}});
}

void ControlPlane::forget_history() {
    kill();
    // So that nobody has seen the latest revision, whom the server would let go on from there.
    etcd("kv/put", {{"key", "Lw=="}, {"value", ""}});
    compact();
    start();
}

Uplink::Uplink(const Namespace& wire) : wire_(wire) {
    const std::string here = "/proc/" + std::to_string(::getpid()) + "/ns/net";
    wire.ip("link add port-api type veth peer name api netns " + here +
            "\nlink set port-api master br0 up\n");
    const Output output =
        wire.run({"nsenter", "--net=" + here, "ip", "-batch", "-"},
                 "link set api addrgenmode none\naddress add " +
                     std::string(ControlPlane::address) + "/24 dev api\nlink set api up\n");
    if (output.status != 0)
        throw std::runtime_error("cannot join the wire: " + output.err);
}

Uplink::~Uplink() {
    wire_.ip("link delete port-api");
}

} // namespace scene
