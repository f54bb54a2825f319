#include "netlink/nft.h"

#include <algorithm>
#include <array>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netinet/in.h>

namespace netlink::nft {

namespace {

constexpr std::size_t elements_a_message = 1000; // an attribute holds at most 64 KiB
constexpr std::size_t element_room = 40;         // with its flags, and its key of 20 bytes

/// Where the addresses lie in a packet's header, and what nft calls their type: its own number, so
/// that it can print the set.
struct Layout {
    std::uint8_t protocol;
    std::uint32_t key_type;
    std::uint32_t source_offset, destination_offset, length;
};

Layout layout_of(ip::Family family) {
    return family == ip::Family::v4 ? Layout{NFPROTO_IPV4, 7, 12, 16, 4}
                                    : Layout{NFPROTO_IPV6, 8, 8, 24, 16};
}

/// A comment as nft writes and shows it: type 0, length, text with its terminator.
std::vector<std::uint8_t> comment_data(const std::string& text) {
    std::vector<std::uint8_t> data{0, static_cast<std::uint8_t>(text.size() + 1)};
    data.insert(data.end(), text.begin(), text.end());
    data.push_back(0);
    return data;
}

// What nft calls a pair of an interface's name and an IPv4 address: six bits for the type of each.
constexpr std::uint32_t arrival_type = (41 << 6) | 7;
constexpr std::uint32_t arrival_length = IFNAMSIZ + 4;

/// Without memory of its own: a mesh has thousands.
struct Element {
    std::array<std::uint8_t, arrival_length> key = {}; ///< or less of it
    bool is_end = false;                               ///< the first address behind an interval
};

Element to_element(const ip::Address& address, bool is_end) {
    Element element{.is_end = is_end};
    std::ranges::copy(address.bytes(), element.key.begin());
    return element;
}

Element to_element(const Arrival& arrival) {
    Element element; // behind the name zeros
    std::ranges::copy(arrival.device, element.key.begin());
    std::ranges::copy(arrival.source.bytes(), element.key.begin() + IFNAMSIZ);
    return element;
}

/// Intervals as the kernel stores them.
std::vector<Element> to_elements(std::vector<ip::Cidr> blocks) {
    std::ranges::sort(blocks);
    std::vector<Element> elements;
    std::optional<ip::Address> behind; // the block before
    for (const ip::Cidr& block : blocks) {
        if (behind == block.network())
            elements.pop_back();
        else
            elements.push_back(to_element(block.network(), false));
        // A block that ends with the address space has no address behind it.
        behind = block.last().next();
        if (behind)
            elements.push_back(to_element(*behind, true));
    }
    return elements;
}

Request set_message(const Set& set, std::uint32_t flags, std::uint32_t key_type,
                    std::uint32_t key_length) {
    Message message = make(NFT_MSG_NEWSET, NLM_F_CREATE);
    put(message, NFTA_SET_TABLE, table);
    put(message, NFTA_SET_NAME, set.name);
    put(message, NFTA_SET_FLAGS, flags);
    put(message, NFTA_SET_KEY_TYPE, key_type);
    put(message, NFTA_SET_KEY_LEN, key_length);
    put(message, NFTA_SET_ID, set.id);
    return {std::move(message), std::string("make the nftables set ") + set.name};
}

void add_elements(std::vector<Request>& batch, const Set& set, std::uint32_t key_length,
                  const std::vector<Element>& elements) {
    for (std::size_t done = 0; done < elements.size(); done += elements_a_message) {
        const auto end = std::min(elements.size(), done + elements_a_message);
        Message message(allocated(nlmsg_alloc_size(message_room + (end - done) * element_room)));
        const nfgenmsg header{NFPROTO_INET, NFNETLINK_V0, 0};
        allocated(nlmsg_put(message.get(), 0, 0, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWSETELEM,
                            0, NLM_F_CREATE));
        built(nlmsg_append(message.get(), const_cast<nfgenmsg*>(&header), sizeof header,
                           NLMSG_ALIGNTO));
        put(message, NFTA_SET_ELEM_LIST_TABLE, table);
        put(message, NFTA_SET_ELEM_LIST_SET, set.name);
        put(message, NFTA_SET_ELEM_LIST_SET_ID, set.id);
        {
            const Nest list(message, NFTA_SET_ELEM_LIST_ELEMENTS);
            for (std::size_t i = done; i < end; ++i) {
                const Nest element(message, NFTA_LIST_ELEM);
                if (elements[i].is_end)
                    put(message, NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
                const Nest key(message, NFTA_SET_ELEM_KEY);
                put(message, NFTA_DATA_VALUE, std::span(elements[i].key).first(key_length));
            }
        }
        batch.push_back({std::move(message), std::string("fill the nftables set ") + set.name});
    }
}

} // namespace

Nest::Nest(const Message& message, int type)
    : message_(message.get()), start_(allocated(nla_nest_start(message_, type | NLA_F_NESTED))) {}

Nest::~Nest() {
    nla_nest_end(message_, start_);
}

Message make(int type, int flags) {
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

Request table_message(int type, const std::string& comment) {
    Message message = make(type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);
    put(message, NFTA_TABLE_NAME, table);
    if (!comment.empty())
        put(message, NFTA_TABLE_USERDATA, comment_data(comment));
    return {std::move(message), std::string("change the nftables table inet ") + table};
}

std::string comment_of(const Message& reply) {
    const nlattr* data =
        nlmsg_find_attr(nlmsg_hdr(reply.get()), sizeof(nfgenmsg), NFTA_TABLE_USERDATA);
    if (data == nullptr || nla_len(data) < 3)
        return {};
    const auto* bytes = static_cast<const char*>(nla_data(data));
    return {bytes + 2, static_cast<std::size_t>(nla_len(data)) - 3};
}

Request chain_message(const Chain& chain) {
    Message message = make(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    put(message, NFTA_CHAIN_TABLE, table);
    put(message, NFTA_CHAIN_NAME, chain.name);
    put(message, NFTA_CHAIN_TYPE, chain.type);
    {
        const Nest hook(message, NFTA_CHAIN_HOOK);
        put(message, NFTA_HOOK_HOOKNUM, chain.hook);
        put(message, NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.priority));
    }
    return {std::move(message), std::string("make the nftables chain ") + chain.name};
}

Request chain_message(const char* name) {
    Message message = make(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    put(message, NFTA_CHAIN_TABLE, table);
    put(message, NFTA_CHAIN_NAME, name);
    return {std::move(message), std::string("make the nftables chain ") + name};
}

void add_set(std::vector<Request>& batch, const Set& set, std::vector<ip::Cidr> blocks) {
    const Layout layout = layout_of(set.family);
    batch.push_back(set_message(set, NFT_SET_INTERVAL, layout.key_type, layout.length));
    add_elements(batch, set, layout.length, to_elements(std::move(blocks)));
}

void add_set(std::vector<Request>& batch, const Set& set, const std::vector<Arrival>& arrivals) {
    batch.push_back(set_message(set, 0, arrival_type, arrival_length));
    std::vector<Element> elements;
    elements.reserve(arrivals.size());
    for (const Arrival& arrival : arrivals)
        elements.push_back(to_element(arrival));
    add_elements(batch, set, arrival_length, elements);
}

Rule::Rule(const char* chain, std::string purpose)
    : message_(make(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND)), purpose_(std::move(purpose)) {
    put(message_, NFTA_RULE_TABLE, table);
    put(message_, NFTA_RULE_CHAIN, chain);
    expressions_ = allocated(nla_nest_start(message_.get(), NFTA_RULE_EXPRESSIONS | NLA_F_NESTED));
}

template <typename Body>
Rule& Rule::expression(const char* name, Body body) {
    const Nest element(message_, NFTA_LIST_ELEM);
    put(message_, NFTA_EXPR_NAME, name);
    const Nest data(message_, NFTA_EXPR_DATA);
    body();
    return *this;
}

Rule& Rule::compare(std::span<const std::uint8_t> value, Match match) {
    return expression("cmp", [&] {
        put(message_, NFTA_CMP_SREG, NFT_REG_1);
        put(message_, NFTA_CMP_OP, match == Match::equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
        const Nest data(message_, NFTA_CMP_DATA);
        put(message_, NFTA_DATA_VALUE, value);
    });
}

Rule& Rule::family(ip::Family family) {
    const std::uint8_t protocol = layout_of(family).protocol;
    return meta(NFT_META_NFPROTO, std::span(&protocol, 1));
}

Rule& Rule::load_meta(std::uint32_t key) {
    return expression("meta", [&] {
        put(message_, NFTA_META_DREG, NFT_REG_1);
        put(message_, NFTA_META_KEY, key);
    });
}

Rule& Rule::meta(std::uint32_t key, std::span<const std::uint8_t> value) {
    return load_meta(key).compare(value, Match::equal);
}

Rule& Rule::load_header(std::uint32_t offset, std::uint32_t length, std::uint32_t to) {
    return expression("payload", [&] {
        put(message_, NFTA_PAYLOAD_DREG, to);
        put(message_, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
        put(message_, NFTA_PAYLOAD_OFFSET, offset);
        put(message_, NFTA_PAYLOAD_LEN, length);
    });
}

Rule& Rule::header(std::uint32_t offset, std::span<const std::uint8_t> value, Match match) {
    return load_header(offset, static_cast<std::uint32_t>(value.size()), NFT_REG_1)
        .compare(value, match);
}

Rule& Rule::look_up(const Set& set, Match match) {
    return expression("lookup", [&] {
        put(message_, NFTA_LOOKUP_SET, set.name);
        put(message_, NFTA_LOOKUP_SREG, NFT_REG_1);
        put(message_, NFTA_LOOKUP_SET_ID, set.id);
        if (match == Match::unequal)
            put(message_, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
    });
}

Rule& Rule::source(const Set& set, Match match) {
    const Layout layout = layout_of(set.family);
    return load_header(layout.source_offset, layout.length, NFT_REG_1).look_up(set, match);
}

Rule& Rule::destination(const Set& set, Match match) {
    const Layout layout = layout_of(set.family);
    return load_header(layout.destination_offset, layout.length, NFT_REG_1).look_up(set, match);
}

Rule& Rule::arrival(const Set& set, Match match) {
    const Layout layout = layout_of(ip::Family::v4);
    constexpr std::uint32_t behind_the_name = NFT_REG32_00 + IFNAMSIZ / 4;
    return load_meta(NFT_META_IIFNAME)
        .load_header(layout.source_offset, layout.length, behind_the_name)
        .look_up(set, match);
}

Rule& Rule::load_way_back(std::uint32_t result, std::uint32_t flags) {
    return expression("fib", [&] {
        put(message_, NFTA_FIB_DREG, NFT_REG_1);
        put(message_, NFTA_FIB_RESULT, result);
        put(message_, NFTA_FIB_FLAGS, flags);
    });
}

Rule& Rule::without_way_back() {
    constexpr std::uint32_t no_device = 0;
    return load_way_back(NFT_FIB_RESULT_OIF, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF)
        .compare(std::span(reinterpret_cast<const std::uint8_t*>(&no_device), sizeof no_device),
                 Match::equal);
}

Rule& Rule::way_back_by(const std::string& prefix) {
    return load_way_back(NFT_FIB_RESULT_OIFNAME, NFTA_FIB_F_SADDR)
        .compare(std::span(reinterpret_cast<const std::uint8_t*>(prefix.data()), prefix.size()),
                 Match::equal);
}

Rule& Rule::count() {
    return expression("counter", [] {});
}

Request Rule::end_with(const char* name) {
    expression(name, [] {});
    return finish();
}

Request Rule::end_with_verdict(std::uint32_t code, const char* chain) {
    expression("immediate", [&] {
        put(message_, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        const Nest data(message_, NFTA_IMMEDIATE_DATA);
        const Nest verdict(message_, NFTA_DATA_VERDICT);
        put(message_, NFTA_VERDICT_CODE, code);
        if (chain != nullptr)
            put(message_, NFTA_VERDICT_CHAIN, chain);
    });
    return finish();
}

Request Rule::drop() {
    return end_with_verdict(NF_DROP, nullptr);
}

Request Rule::go_to(const char* chain) {
    return end_with_verdict(static_cast<std::uint32_t>(NFT_GOTO), chain);
}

Request Rule::finish() {
    nla_nest_end(message_.get(), expressions_);
    return {std::move(message_), std::move(purpose_)};
}

} // namespace netlink::nft
