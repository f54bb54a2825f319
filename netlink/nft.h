#pragma once

#include "ip/cidr.h"
#include "netlink/arrival.h"
#include "netlink/message.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

// The messages of nf_tables, as the kernel's include/uapi/linux/netfilter/nf_tables.h describes
// their attributes; numbers in them are big-endian. What nftables.cc builds its rules from, all in
// the table `inet ipip-cni`. Not for other rooms.

namespace netlink::nft {

inline constexpr const char* table = "ipip-cni";

/// A nested attribute, from its making to its end.
class Nest {
  public:
    Nest(const Message& message, int type);
    ~Nest();
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;

  private:
    nl_msg* message_;
    nlattr* start_;
};

/// An empty message; `type` is one of enum nf_tables_msg_types.
Message make(int type, int flags);
void put(const Message& message, int type, std::uint32_t value);
void put(const Message& message, int type, const char* value);
void put(const Message& message, int type, std::span<const std::uint8_t> value);

/// A change of the table itself; the comment, of at most 120 bytes, is what nft shows.
Request table_message(int type, const std::string& comment = {});
/// The comment in what a question for the table was answered with; empty where there is none.
std::string comment_of(const Message& reply);

struct Chain {
    const char* name;
    const char* type;      ///< "nat" or "filter"
    std::uint32_t hook;    ///< NF_INET_PRE_ROUTING, ...
    std::int32_t priority; ///< the lower the earlier
};
Request chain_message(const Chain& chain);
/// One that packets come to by Rule::go_to alone.
Request chain_message(const char* name);

/// A set of addresses of one family, in intervals. `id` tells it from others of the same batch.
struct Set {
    const char* name;
    ip::Family family;
    std::uint32_t id;
};
/// Makes the set, and fills it by as many messages as it takes. Blocks that touch become one
/// interval; no two may overlap.
void add_set(std::vector<Request>& batch, const Set& set, std::vector<ip::Cidr> blocks);

/// The same of arrivals, in no intervals.
void add_set(std::vector<Request>& batch, const Set& set, const std::vector<Arrival>& arrivals);

enum class Match { equal, unequal };

/// One rule in the making: what a packet must match, and what then becomes of it. Each part of it
/// is an expression of the kernel's, behind those before.
class Rule {
  public:
    /// `purpose` is for the error message, "add the masquerade rule".
    Rule(const char* chain, std::string purpose);

    /// Only packets of this family.
    Rule& family(ip::Family family);
    /// A field of NFT_META_...; `value` is as the kernel has it in its register.
    Rule& meta(std::uint32_t key, std::span<const std::uint8_t> value);
    /// Bytes of the packet's IP header.
    Rule& header(std::uint32_t offset, std::span<const std::uint8_t> value,
                 Match match = Match::equal);
    /// The address in the header that is, or is not, in a set.
    Rule& source(const Set& set, Match match = Match::equal);
    Rule& destination(const Set& set, Match match = Match::equal);
    /// The device that an IPv4 packet came by, together with its source, is, or is not, in a set of
    /// arrivals.
    Rule& arrival(const Set& set, Match match);
    /// Packets whose source the kernel would not answer by the device by which they came (strict
    /// reverse path, RFC 3704 section 2.2).
    Rule& without_way_back();

    /// Packets whose source the kernel would answer by a device whose name begins so.
    Rule& way_back_by(const std::string& prefix);

    /// Counts the packets that get as far as this; `nft list` shows them.
    Rule& count();

    /// What ends it: the name of an expression without attributes, such as "masq".
    Request end_with(const char* expression);
    Request drop();
    /// The rules of that chain are the last that such a packet meets.
    Request go_to(const char* chain);

  private:
    template <typename Body>
    Rule& expression(const char* name, Body body);
    Rule& compare(std::span<const std::uint8_t> value, Match match);
    Rule& load_meta(std::uint32_t key);
    Rule& load_header(std::uint32_t offset, std::uint32_t length, std::uint32_t to);
    Rule& load_way_back(std::uint32_t result, std::uint32_t flags);
    Rule& look_up(const Set& set, Match match);
    Request end_with_verdict(std::uint32_t code, const char* chain);
    Request finish();

    Message message_;
    std::string purpose_;
    nlattr* expressions_;
};

} // namespace netlink::nft
