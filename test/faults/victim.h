#pragma once

#include "test/system/cluster.h"

#include <map>
#include <set>
#include <string>

namespace scene {

/// What turned out to be wrong after a case; nothing, where it was survived.
class Verdict {
  public:
    void require(bool holds, const std::string& otherwise);
    void require(const ::testing::AssertionResult& result, const std::string& otherwise);

    bool is_survived() const { return text_.empty(); }
    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

/// With how many other hosts the campaigns are to be held: the variable IPIP_FAULT_PEERS, or none.
int fault_peers();

/// A whole number from the environment.
int number_of(const char* variable, int otherwise);

/// Each address that is leased, with its container's ID.
using Leases = std::map<std::string, std::string>;
Leases leases_in(const std::filesystem::path& state_dir);

/// Each address to which a host's routes lead through a pod's link, with that link's name.
std::map<std::string, std::string> pod_routes(const Namespace& space);

/// The names of a host's ends of pods' links.
std::set<std::string> pod_links(const Namespace& space);

/// A host that something happens to, with what must be true of it.
class Victim {
  public:
    enum class Kind {
        empty,   ///< no pod: the first ADD makes the mesh, the last DEL takes it away
        serving, ///< a resident pod that nothing is to happen to
        full,    ///< the resident has the only address
        damaged, ///< the host's route to the resident is missing
    };

    explicit Victim(Kind kind);

    const Host& host() const { return cluster_.host(1); }
    const Pod& resident() const { return resident_; }

    Call add(const Pod& pod) const { return call("ADD", pod); }
    Call del(const Pod& pod) const { return call("DEL", pod); }
    Call check(const Pod& pod, const Json& result) const;
    Call check_resident() const { return check(resident_, resident_result_); }
    /// Where the resident alone is valid, if there is one.
    Call gc() const;
    Call status() const;

    /// The kernel, the leases and `pod` are as before anything happened; the resident is well.
    void require_untouched(Verdict& verdict, const Pod& pod, const std::string& when) const;
    void require_untouched(Verdict& verdict, const std::string& when) const;
    /// The ADD said `output`, and all that it said is true.
    void require_attached(Verdict& verdict, const Pod& pod, const Output& output,
                          const std::string& when) const;
    /// This succeeds now, where nothing keeps it from doing so.
    Output require_success(Verdict& verdict, const Call& call, const std::string& when) const;
    /// An address is not free while the pod's link stands.
    void require_lease_where_linked(Verdict& verdict, const Pod& pod, const std::string& link,
                                    const std::string& when) const;

    Leases leases() const { return leases_in(host().state_dir()); }

  private:
    Call call(const char* verb, const Pod& pod) const;

    Kind kind_;
    Cluster cluster_;
    Json config_;
    Pod resident_{"resident"};
    Json resident_result_;
    Json before_;   ///< the host's kernel
    Leases leases_; ///< before
    Json inside_;   ///< a pod's kernel without an attachment
};

/// An error, as the CNI specification wants it told: a document with a code and a message.
void require_told(Verdict& verdict, const Output& output);

} // namespace scene
