#include "netlink/nat.h"

#include "hash/hash.h"
#include "netlink/message.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <optional>

// The messages of nf_tables, as the kernel's include/uapi/linux/netfilter/nf_tables.h describes
// their attributes; numbers in them are big-endian. `nft list table inet ipip-cni` shows the
// result.

namespace netlink {

namespace {

constexpr const char* table = "ipip-cni";
constexpr const char* chain = "postrouting";
constexpr std::size_t elements_a_message = 1000; // an attribute holds at most 64 KiB

struct FamilyFacts {
    ip::Family family;
    std::uint8_t protocol;
    std::uint32_t key_type; // nft's own number for the type, so that it can print the set
    std::uint32_t source_offset, destination_offset, length; // in the packet's header
    const char* sources;
    const char* spared;
    const char* multicast;
};
constexpr std::array families{
    FamilyFacts{ip::Family::v4, NFPROTO_IPV4, 7, 12, 16, 4, "node_pods_v4", "spared_v4",
                "224.0.0.0/4"},
    FamilyFacts{ip::Family::v6, NFPROTO_IPV6, 8, 8, 24, 16, "node_pods_v6", "spared_v6",
                "ff00::/8"},
};

class Nest {
  public:
    Nest(const Message& message, int type)
        : message_(message.get()),
          start_(allocated(nla_nest_start(message_, type | NLA_F_NESTED))) {}
    ~Nest() { nla_nest_end(message_, start_); }
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;

  private:
    nl_msg* message_;
    nlattr* start_;
};

Message nft_message(int type, int flags) {
    return make_message((NFNL_SUBSYS_NFTABLES << 8) | type, flags,
                        nfgenmsg{NFPROTO_INET, NFNETLINK_V0, 0});
}
void put(const Message& message, int type, std::uint32_t value) {
    built(nla_put_u32(message.get(), type, htonl(value)));
}
void put(const Message& message, int type, const char* value) {
    built(nla_put_string(message.get(), type, value));
}
void put(const Message& message, int type, std::span<const std::uint8_t> value) {
    built(nla_put(message.get(), type, static_cast<int>(value.size()), value.data()));
}

/// A comment as nft writes and shows it: type 0, length, text with its terminator.
std::vector<std::uint8_t> comment_data(const std::string& text) {
    std::vector<std::uint8_t> data{0, static_cast<std::uint8_t>(text.size() + 1)};
    data.insert(data.end(), text.begin(), text.end());
    data.push_back(0);
    return data;
}

/// Tells two sets of rules apart; kept in the table's comment.
std::string fingerprint(const Masquerade& rules) {
    Hash hash;
    for (const auto* cidrs : {&rules.sources, &rules.spared}) {
        for (const ip::Cidr& cidr : *cidrs)
            hash.add(cidr.to_string());
        hash.add("");
    }
    return "made by ipip-cni, rules " + hash.hex(16);
}

Request table_message(int type, const std::string& comment = {}) {
    Message message = nft_message(type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);
    put(message, NFTA_TABLE_NAME, table);
    if (!comment.empty())
        put(message, NFTA_TABLE_USERDATA, comment_data(comment));
    return {std::move(message), std::string("change the nftables table inet ") + table};
}

Request chain_message() {
    Message message = nft_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    put(message, NFTA_CHAIN_TABLE, table);
    put(message, NFTA_CHAIN_NAME, chain);
    put(message, NFTA_CHAIN_TYPE, "nat");
    {
        const Nest hook(message, NFTA_CHAIN_HOOK);
        put(message, NFTA_HOOK_HOOKNUM, NF_INET_POST_ROUTING);
        put(message, NFTA_HOOK_PRIORITY, 100); // "srcnat"
    }
    return {std::move(message), "make the nftables chain postrouting"};
}

Request set_message(const FamilyFacts& facts, const char* name, std::uint32_t id) {
    Message message = nft_message(NFT_MSG_NEWSET, NLM_F_CREATE);
    put(message, NFTA_SET_TABLE, table);
    put(message, NFTA_SET_NAME, name);
    put(message, NFTA_SET_FLAGS, NFT_SET_INTERVAL);
    put(message, NFTA_SET_KEY_TYPE, facts.key_type);
    put(message, NFTA_SET_KEY_LEN, facts.length);
    put(message, NFTA_SET_ID, id);
    return {std::move(message), std::string("make the nftables set ") + name};
}

struct Element {
    ip::Address key;
    bool is_end; // the first address behind an interval
};

/// Intervals as the kernel stores them; blocks that touch become one.
std::vector<Element> to_elements(std::vector<ip::Cidr> cidrs) {
    std::ranges::sort(cidrs);
    std::vector<Element> elements;
    for (const ip::Cidr& cidr : cidrs) {
        if (!elements.empty() && elements.back().is_end && elements.back().key == cidr.network())
            elements.pop_back();
        else
            elements.push_back({cidr.network(), false});
        // A block that ends with the address space has no address behind it.
        if (const auto behind = cidr.last().next())
            elements.push_back({*behind, true});
    }
    return elements;
}

void add_elements(std::vector<Request>& batch, const char* set, std::uint32_t id,
                  const std::vector<Element>& elements) {
    for (std::size_t done = 0; done < elements.size(); done += elements_a_message) {
        Message message(allocated(nlmsg_alloc_size(1 << 17)));
        const nfgenmsg header{NFPROTO_INET, NFNETLINK_V0, 0};
        allocated(nlmsg_put(message.get(), 0, 0, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWSETELEM,
                            0, NLM_F_CREATE));
        built(nlmsg_append(message.get(), const_cast<nfgenmsg*>(&header), sizeof header,
                           NLMSG_ALIGNTO));
        put(message, NFTA_SET_ELEM_LIST_TABLE, table);
        put(message, NFTA_SET_ELEM_LIST_SET, set);
        put(message, NFTA_SET_ELEM_LIST_SET_ID, id);
        {
            const Nest list(message, NFTA_SET_ELEM_LIST_ELEMENTS);
            const auto end = std::min(elements.size(), done + elements_a_message);
            for (std::size_t i = done; i < end; ++i) {
                const Nest element(message, NFTA_LIST_ELEM);
                if (elements[i].is_end)
                    put(message, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
                const Nest key(message, NFTA_SET_ELEM_KEY);
                put(message, NFTA_DATA_VALUE, elements[i].key.bytes());
            }
        }
        batch.push_back({std::move(message), std::string("fill the nftables set ") + set});
    }
}

template <typename Body>
void expression(const Message& message, const char* name, Body body) {
    const Nest element(message, NFTA_LIST_ELEM);
    put(message, NFTA_EXPR_NAME, name);
    const Nest data(message, NFTA_EXPR_DATA);
    body();
}

void match_address(const Message& message, std::uint32_t offset, std::uint32_t length,
                   const char* set, std::uint32_t id, bool inverted) {
    expression(message, "payload", [&] {
        put(message, NFTA_PAYLOAD_DREG, NFT_REG_1);
        put(message, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
        put(message, NFTA_PAYLOAD_OFFSET, offset);
        put(message, NFTA_PAYLOAD_LEN, length);
    });
    expression(message, "lookup", [&] {
        put(message, NFTA_LOOKUP_SET, set);
        put(message, NFTA_LOOKUP_SREG, NFT_REG_1);
        put(message, NFTA_LOOKUP_SET_ID, id);
        if (inverted)
            put(message, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
    });
}

/// ip saddr @node_pods_v4 ip daddr != @spared_v4 masquerade
Request rule_message(const FamilyFacts& facts, std::uint32_t sources_id, std::uint32_t spared_id) {
    Message message = nft_message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    put(message, NFTA_RULE_TABLE, table);
    put(message, NFTA_RULE_CHAIN, chain);
    {
        const Nest expressions(message, NFTA_RULE_EXPRESSIONS);
        expression(message, "meta", [&] {
            put(message, NFTA_META_DREG, NFT_REG_1);
            put(message, NFTA_META_KEY, NFT_META_NFPROTO);
        });
        expression(message, "cmp", [&] {
            put(message, NFTA_CMP_SREG, NFT_REG_1);
            put(message, NFTA_CMP_OP, NFT_CMP_EQ);
            const Nest value(message, NFTA_CMP_DATA);
            put(message, NFTA_DATA_VALUE, std::span(&facts.protocol, 1));
        });
        match_address(message, facts.source_offset, facts.length, facts.sources, sources_id, false);
        match_address(message, facts.destination_offset, facts.length, facts.spared, spared_id,
                      true);
        expression(message, "masq", [] {});
    }
    return {std::move(message), "add the masquerade rule"};
}

/// The comment of the table as it stands; none where there is no table.
std::optional<std::string> present(Socket& netfilter) {
    Message message = nft_message(NFT_MSG_GETTABLE, 0);
    put(message, NFTA_TABLE_NAME, table);
    const Message reply = netfilter.find({std::move(message), "find the nftables table"});
    if (!reply)
        return std::nullopt;
    const nlattr* data =
        nlmsg_find_attr(nlmsg_hdr(reply.get()), sizeof(nfgenmsg), NFTA_TABLE_USERDATA);
    if (data == nullptr || nla_len(data) < 3)
        return std::string();
    const auto* bytes = static_cast<const char*>(nla_data(data));
    return std::string(bytes + 2, static_cast<std::size_t>(nla_len(data)) - 3);
}

bool concerns(const Masquerade& rules, ip::Family family) {
    return std::ranges::find(rules.sources, family, &ip::Cidr::family) != rules.sources.end();
}

/// How many rules the chain holds: someone may have flushed it.
std::size_t count_rules(Socket& netfilter) {
    Message message = nft_message(NFT_MSG_GETRULE, 0);
    put(message, NFTA_RULE_TABLE, table);
    put(message, NFTA_RULE_CHAIN, chain);
    std::size_t count = 0;
    netfilter.dump(
        {std::move(message), "list the rules of the nftables table"},
        [&](const Message&) { ++count; }, [&] { count = 0; });
    return count;
}

bool stands(Socket& netfilter, const Masquerade& rules) {
    const auto wanted = static_cast<std::size_t>(std::ranges::count_if(
        families, [&](const FamilyFacts& facts) { return concerns(rules, facts.family); }));
    return present(netfilter) == fingerprint(rules) && count_rules(netfilter) == wanted;
}

} // namespace

bool has_masquerade(const Masquerade& rules) {
    Socket netfilter(NETLINK_NETFILTER);
    return stands(netfilter, rules);
}

bool masquerade(const Masquerade& rules) {
    Socket netfilter(NETLINK_NETFILTER);
    if (stands(netfilter, rules))
        return false;
    std::vector<Request> batch;
    // Deleting what is not there fails, making what is there does not: so it is made first.
    batch.push_back(table_message(NFT_MSG_NEWTABLE));
    batch.push_back(table_message(NFT_MSG_DELTABLE));
    batch.push_back(table_message(NFT_MSG_NEWTABLE, fingerprint(rules)));
    batch.push_back(chain_message());
    std::uint32_t id = 0;
    for (const FamilyFacts& facts : families) {
        const auto of_family = [&](const std::vector<ip::Cidr>& cidrs) {
            std::vector<ip::Cidr> chosen;
            std::ranges::copy_if(cidrs, std::back_inserter(chosen), [&](const ip::Cidr& cidr) {
                return cidr.family() == facts.family;
            });
            return chosen;
        };
        const std::vector<ip::Cidr> sources = of_family(rules.sources);
        if (sources.empty())
            continue;
        std::vector<ip::Cidr> spared = of_family(rules.spared);
        spared.push_back(ip::Cidr::parse(facts.multicast));
        const std::uint32_t sources_id = ++id;
        const std::uint32_t spared_id = ++id;
        batch.push_back(set_message(facts, facts.sources, sources_id));
        add_elements(batch, facts.sources, sources_id, to_elements(sources));
        batch.push_back(set_message(facts, facts.spared, spared_id));
        add_elements(batch, facts.spared, spared_id, to_elements(std::move(spared)));
        batch.push_back(rule_message(facts, sources_id, spared_id));
    }
    netfilter.transact(batch);
    return true;
}

bool has_masquerade_table() {
    try {
        Socket netfilter(NETLINK_NETFILTER);
        return present(netfilter).has_value();
    } catch (const Error& error) {
        constexpr std::array unknown{EPROTONOSUPPORT, EOPNOTSUPP, EINVAL};
        if (std::ranges::find(unknown, error.number()) != unknown.end())
            return false;
        throw;
    }
}

bool remove_masquerade() {
    if (!has_masquerade_table())
        return false;
    std::vector<Request> batch;
    batch.push_back(table_message(NFT_MSG_DELTABLE));
    Socket(NETLINK_NETFILTER).transact(batch);
    return true;
}

} // namespace netlink
