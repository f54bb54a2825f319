#include "netlink/nftables.h"

#include "hash/hash.h"
#include "netlink/nft.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <span>

// `nft list table inet ipip-cni` shows the result.

namespace netlink {

namespace {

using nft::Match;

constexpr nft::Chain postrouting{"postrouting", "nat", NF_INET_POST_ROUTING, 100};  // "srcnat"
constexpr nft::Chain prerouting{"prerouting", "filter", NF_INET_PRE_ROUTING, -300}; // "raw"

// What comes from where; prerouting tells them apart.
constexpr const char* from_pods = "from_pods";
constexpr const char* from_tunnels = "from_tunnels";
constexpr const char* from_strangers = "from_strangers";

constexpr std::uint8_t ipip = IPPROTO_IPIP;

constexpr std::uint32_t destination_offset_v4 = 16; // RFC 791 section 3.1
constexpr std::uint32_t source_offset_v6 = 8;       // RFC 8200 section 3

struct FamilyFacts {
    ip::Family family;
    const char* sources;
    const char* spared;
    const char* multicast;
};
constexpr std::array families{
    FamilyFacts{ip::Family::v4, "node_pods_v4", "spared_v4", "224.0.0.0/4"},
    FamilyFacts{ip::Family::v6, "node_pods_v6", "spared_v6", "ff00::/8"},
};

/// At the end of the table's comment where rules are left out.
constexpr const char* without_way_back = " without fib";

/// Tells two sets of rules apart; kept in the table's comment, with the number of rules behind.
std::string fingerprint(const Rules& rules) {
    Hash hash;
    hash.add(std::to_string(rules_version));
    const auto add = [&](const std::vector<ip::Cidr>& blocks) {
        for (const ip::Cidr& block : blocks)
            hash.add(block.to_string());
        hash.add("");
    };
    if (rules.masquerade) {
        hash.add("masquerade");
        add(rules.masquerade->sources);
        add(rules.masquerade->spared);
    }
    if (rules.source_check) {
        hash.add("source check")
            .add(std::to_string(rules.source_check->pod_group))
            .add(rules.source_check->tunnels);
        for (const auto& [tunnel, address] : rules.source_check->peers)
            hash.add(tunnel).add(address.to_string());
        add(rules.source_check->own_pods);
        if (const auto& senders = rules.source_check->senders) {
            hash.add(senders->own.to_string());
            add(senders->peers);
        }
    }
    return "made by ipip-cni, rules " + hash.hex(16) + ", ";
}

/// The requests for one table, and what they have used up.
struct Batch {
    bool counts = true; ///< each rule that drops, what it does
    std::vector<Request> requests = {};
    std::size_t rules = 0;
    std::uint32_t last_id = 0;

    void add(Request rule) {
        requests.push_back(std::move(rule));
        ++rules;
    }
};

std::vector<ip::Cidr> of_family(const std::vector<ip::Cidr>& blocks, ip::Family family) {
    std::vector<ip::Cidr> chosen;
    std::ranges::copy_if(blocks, std::back_inserter(chosen),
                         [&](const ip::Cidr& block) { return block.family() == family; });
    return chosen;
}

/// ip saddr @node_pods_v4 ip daddr != @spared_v4 masquerade
void add_masquerade(Batch& batch, const Masquerade& wanted) {
    batch.requests.push_back(nft::chain_message(postrouting));
    for (const FamilyFacts& facts : families) {
        const std::vector<ip::Cidr> sources = of_family(wanted.sources, facts.family);
        if (sources.empty())
            continue;
        std::vector<ip::Cidr> spared = of_family(wanted.spared, facts.family);
        spared.push_back(ip::Cidr::parse(facts.multicast));
        const nft::Set source_set{facts.sources, facts.family, ++batch.last_id};
        const nft::Set spared_set{facts.spared, facts.family, ++batch.last_id};
        nft::add_set(batch.requests, source_set, sources);
        nft::add_set(batch.requests, spared_set, std::move(spared));
        batch.add(nft::Rule(postrouting.name, "add the masquerade rule")
                      .family(facts.family)
                      .source(source_set)
                      .destination(spared_set, Match::unequal)
                      .end_with("masq"));
    }
}

template <typename T>
std::span<const std::uint8_t> raw(const T& value) {
    return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

nft::Rule source_rule(const char* chain) {
    return {chain, "add a rule of the source check"};
}

void add_drop(Batch& batch, nft::Rule& rule) {
    batch.add((batch.counts ? rule.count() : rule).drop());
}

/// What comes from pods meets these rules and no others.
void add_rules_for_pods(Batch& batch, const SourceCheck& wanted, bool look_for_way_back) {
    batch.requests.push_back(nft::chain_message(from_pods));
    batch.add(source_rule(prerouting.name)
                  .meta(NFT_META_IIFGROUP, raw(wanted.pod_group))
                  .go_to(from_pods));
    for (const std::uint8_t protocol : {ipip, std::uint8_t{IPPROTO_IPV6}})
        add_drop(batch, source_rule(from_pods).meta(NFT_META_L4PROTO, raw(protocol)));
    if (!look_for_way_back)
        return;
    add_drop(batch, source_rule(from_pods).family(ip::Family::v4).without_way_back());
    // Who asks for his neighbours does so from a link-local address, or none; neither is forwarded.
    constexpr std::array<std::uint8_t, 2> link_local{0xfe, 0x80};
    constexpr std::array<std::uint8_t, 16> unspecified{};
    add_drop(batch, source_rule(from_pods)
                        .family(ip::Family::v6)
                        .header(source_offset_v6, link_local, Match::unequal)
                        .header(source_offset_v6, unspecified, Match::unequal)
                        .without_way_back());
}

void add_rule_for_senders(Batch& batch, const SourceCheck::Senders& senders) {
    const nft::Set peers{"peers", ip::Family::v4, ++batch.last_id};
    nft::add_set(batch.requests, peers, senders.peers);
    add_drop(batch, source_rule(prerouting.name)
                        .family(ip::Family::v4)
                        .meta(NFT_META_L4PROTO, raw(ipip))
                        .header(destination_offset_v4, senders.own.bytes())
                        .source(peers, Match::unequal));
}

void add_rules_for_tunnels(Batch& batch, const SourceCheck& wanted) {
    batch.requests.push_back(nft::chain_message(from_tunnels));
    const auto* prefix = reinterpret_cast<const std::uint8_t*>(wanted.tunnels.data());
    batch.add(source_rule(prerouting.name)
                  .meta(NFT_META_IIFNAME, {prefix, wanted.tunnels.size()})
                  .go_to(from_tunnels));
    const nft::Set nodes{"nodes", ip::Family::v4, ++batch.last_id};
    nft::add_set(batch.requests, nodes, wanted.peers);
    // The set last: few packets come that far.
    add_drop(batch, source_rule(from_tunnels)
                        .family(ip::Family::v4)
                        .without_way_back()
                        .arrival(nodes, Match::unequal));
    add_drop(batch, source_rule(from_tunnels).family(ip::Family::v6).without_way_back());
}

void add_rules_for_strangers(Batch& batch, const SourceCheck& wanted) {
    batch.requests.push_back(nft::chain_message(from_strangers));
    const nft::Set own_pods{"own_pods_v4", ip::Family::v4, ++batch.last_id};
    nft::add_set(batch.requests, own_pods, of_family(wanted.own_pods, ip::Family::v4));
    batch.add(source_rule(prerouting.name)
                  .family(ip::Family::v4)
                  .destination(own_pods, Match::equal)
                  .go_to(from_strangers));
    // In the name of one pod of this node to another, from elsewhere.
    add_drop(batch, source_rule(from_strangers)
                        .family(ip::Family::v4)
                        .source(own_pods, Match::equal)
                        .without_way_back());
    if (wanted.tunnels.empty())
        return;
    // In a peer's name, and not by its tunnel.
    add_drop(batch, source_rule(from_strangers).way_back_by(wanted.tunnels));
}

/// Each packet meets the rules of prerouting and of one more chain: all of them one after the other
/// took twice as long.
void add_source_check(Batch& batch, const SourceCheck& wanted, bool look_for_way_back) {
    batch.requests.push_back(nft::chain_message(prerouting));
    add_rules_for_pods(batch, wanted, look_for_way_back);
    if (wanted.senders)
        add_rule_for_senders(batch, *wanted.senders);
    if (!look_for_way_back)
        return;
    if (!wanted.tunnels.empty())
        add_rules_for_tunnels(batch, wanted);
    add_rules_for_strangers(batch, wanted);
}

/// Who does not look for the way back does not count either: it may be that which the kernel lacks.
std::vector<Request> replace_table(const Rules& wanted, bool look_for_way_back) {
    Batch batch{.counts = look_for_way_back};
    if (wanted.masquerade)
        add_masquerade(batch, *wanted.masquerade);
    if (wanted.source_check)
        add_source_check(batch, *wanted.source_check, look_for_way_back);
    std::vector<Request> requests;
    // Deleting what is not there fails, making what is there does not: so it is made first.
    requests.push_back(nft::table_message(NFT_MSG_NEWTABLE));
    requests.push_back(nft::table_message(NFT_MSG_DELTABLE));
    requests.push_back(
        nft::table_message(NFT_MSG_NEWTABLE, fingerprint(wanted) + std::to_string(batch.rules) +
                                                 (look_for_way_back ? "" : without_way_back)));
    std::ranges::move(batch.requests, std::back_inserter(requests));
    return requests;
}

/// The comment of the table as it stands; none where there is no table.
std::optional<std::string> present(Socket& netfilter) {
    Message message = nft::make(NFT_MSG_GETTABLE, 0);
    nft::put(message, NFTA_TABLE_NAME, nft::table);
    const Message reply = netfilter.find({std::move(message), "find the nftables table"});
    return reply ? std::optional(nft::comment_of(reply)) : std::nullopt;
}

/// How many rules the table holds: someone may have flushed it.
std::size_t count_rules(Socket& netfilter) {
    Message message = nft::make(NFT_MSG_GETRULE, 0);
    nft::put(message, NFTA_RULE_TABLE, nft::table);
    std::size_t count = 0;
    netfilter.dump(
        {std::move(message), "list the rules of the nftables table"}, [&](nlmsghdr*) { ++count; },
        [&] { count = 0; });
    return count;
}

bool stands(Socket& netfilter, const Rules& rules) {
    const auto comment = present(netfilter);
    const std::string made_from = fingerprint(rules);
    if (!comment || !comment->starts_with(made_from))
        return false;
    const std::string count = std::to_string(count_rules(netfilter));
    const std::string rest = comment->substr(made_from.size());
    return rest == count || rest == count + without_way_back;
}

/// Whether the kernel says by it that it has no nftables.
bool is_unknown(const Error& error) {
    constexpr std::array unknown{EPROTONOSUPPORT, EOPNOTSUPP, EINVAL};
    return std::ranges::find(unknown, error.number()) != unknown.end();
}

/// Whether `question`, asked about the table's comment, is answered so; no without nftables.
template <typename Question>
bool ask(Question question) {
    try {
        Socket netfilter(NETLINK_NETFILTER);
        return question(present(netfilter));
    } catch (const Error& error) {
        if (!is_unknown(error))
            throw;
        return false;
    }
}

/// For rules that cannot be done without. Throws Error.
Socket open_nftables() {
    try {
        Socket netfilter(NETLINK_NETFILTER);
        present(netfilter);
        return netfilter;
    } catch (const Error& error) {
        if (!is_unknown(error))
            throw;
        throw Error(error.number(), "set the nftables rules",
                    "this kernel has no nftables, which ipMasq needs; load it (modprobe "
                    "nf_tables), use a kernel that has it (CONFIG_NF_TABLES_INET), or leave out "
                    "ipMasq");
    }
}

/// The rules without those that this kernel cannot have; of a masquerade it must have all. Throws
/// Error.
void transact_what_can_be(Socket& netfilter, const Rules& rules) {
    try {
        netfilter.transact(replace_table(rules, false));
    } catch (const Error& error) {
        if (error.number() != ENOENT || !rules.masquerade)
            throw;
        throw Error(ENOENT, "set the nftables rules",
                    "this kernel has no masquerade by nftables, which ipMasq needs; load it "
                    "(modprobe -a nft_chain_nat nft_masq), use a kernel that has it "
                    "(CONFIG_NFT_MASQ), or leave out ipMasq");
    }
}

} // namespace

bool has_nftables() {
    return ask([](const auto&) { return true; });
}

bool has_rules_table() {
    return ask([](const auto& table) { return table.has_value(); });
}

bool looks_for_way_back() {
    return ask([](const auto& table) { return !table || !table->ends_with(without_way_back); });
}

bool has_rules(const Rules& rules) {
    Socket netfilter = open_nftables();
    return stands(netfilter, rules);
}

bool set_rules(const Rules& rules) {
    Socket netfilter = open_nftables();
    if (stands(netfilter, rules))
        return false;
    try {
        netfilter.transact(replace_table(rules, true));
    } catch (const Error& error) {
        if (error.number() != ENOENT) // an expression that is not there
            throw;
        transact_what_can_be(netfilter, rules);
    }
    return true;
}

bool remove_rules() {
    if (!has_rules_table())
        return false;
    std::vector<Request> batch;
    batch.push_back(nft::table_message(NFT_MSG_DELTABLE));
    Socket(NETLINK_NETFILTER).transact(batch);
    return true;
}

} // namespace netlink
