#pragma once

#include "test/kubernetes/authority.h"
#include "test/kubernetes/client.h"
#include "test/kubernetes/daemon.h"
#include "test/system/cluster.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace scene {

/// A real etcd and a real kube-apiserver with TLS and RBAC, in the network namespace of the thread
/// that makes it; that thread must outlive it. No controller runs: nobody gives Nodes their
/// podCIDRs, and nobody collects what depends on a deleted object.
///
/// The programs are found in the directory that IPIP_KUBERNETES names, see build.sh.
class ControlPlane {
  public:
    /// Returns when the server is ready.
    ControlPlane();
    ControlPlane(const ControlPlane&) = delete;
    ControlPlane& operator=(const ControlPlane&) = delete;

    /// The one for all tests of a program, as the start takes longer than most of them; made by the
    /// first that asks. Each test leaves it without objects of its own.
    static ControlPlane& shared();

    /// It listens at every address of the namespace. Its certificate is good for this one, which an
    /// Uplink brings, and for 127.0.0.1.
    static constexpr const char* address = "172.16.5.250";
    static constexpr int port = 6443;

    /// Who may do all.
    const Client& admin() const { return *admin_; }
    const Identity& admin_identity() const { return admin_identity_; }
    Client client(const Identity& identity, const std::string& at = "127.0.0.1") const;
    /// With a client certificate of its own.
    Identity user(const std::string& name, const std::string& group) const;
    /// With a token that the server gives out for a service account. It is good until the time is
    /// up, ten minutes at least, or the account deleted; the server remembers for ten seconds that
    /// it was good.
    Identity service_account(const std::string& space, const std::string& name,
                             std::chrono::seconds life = std::chrono::hours(1)) const;

    /// Text of a kubeconfig file that leads `identity` to the server at `address`.
    std::string kubeconfig(const Identity& identity) const;
    /// The certificate that the server's is signed by.
    std::string authority() const { return authority_.certificate(); }

    /// SIGTERM: the server takes no more connections and finishes what it is asked. It would give
    /// open watches a minute, of which this leaves them a second.
    void stop();
    /// SIGKILL.
    void kill();
    /// After stop() or kill(); with the data as it was. Returns when it is ready.
    void start();

    /// Makes etcd forget what was before now: lists that are to be continued get 410 Gone.
    void compact() const;
    /// The server forgets it, too, being killed and started anew: watches from before now get 410
    /// Gone, also those that have seen all.
    void forget_history();

    /// The latest revision, of any object; one more with each change.
    std::int64_t revision() const;

  private:
    void await_ready();
    Json etcd(const std::string& call, const Json& argument) const;

    Folder folder_;
    Authority authority_;
    Identity admin_identity_;
    Words command_;
    std::optional<Daemon> etcd_;
    std::optional<Daemon> server_;
    std::optional<Client> admin_;
    std::optional<Client> store_;
};

/// Joins the calling thread's namespace, and so the control plane, to a cluster's wire.
class Uplink {
  public:
    explicit Uplink(const Namespace& wire);
    Uplink(const Uplink&) = delete;
    Uplink& operator=(const Uplink&) = delete;
    ~Uplink();

  private:
    const Namespace& wire_;
};

} // namespace scene
