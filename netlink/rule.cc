#include "netlink/rule.h"

#include "netlink/message.h"
#include "netlink/route.h"

#include <linux/fib_rules.h>
#include <netlink/route/rule.h>
#include <optional>

namespace netlink {

namespace {

using RuleObject = Owned<rtnl_rule, rtnl_rule_put>;

constexpr std::uint32_t priority = 9400; // the main table's rule has 32766

RuleObject rule_from(const ip::Address& source) {
    RuleObject object(allocated(rtnl_rule_alloc()));
    rtnl_rule_set_family(object.get(), source.family() == ip::Family::v4 ? AF_INET : AF_INET6);
    built(rtnl_rule_set_src(object.get(), to_addr(source).get()));
    rtnl_rule_set_action(object.get(), FR_ACT_TO_TBL);
    rtnl_rule_set_prio(object.get(), priority);
    built(rtnl_rule_set_protocol(object.get(), own_protocol));
    return object;
}

std::optional<Rule> to_own_rule(nlmsghdr* reply) {
    const Message message(allocated(nlmsg_convert(reply)));
    const auto object = to_object(message.get(), "route/rule");
    auto* source = reinterpret_cast<rtnl_rule*>(object.get());
    std::uint8_t protocol = 0;
    nl_addr* address = rtnl_rule_get_src(source);
    if (rtnl_rule_get_protocol(source, &protocol) != 0 || protocol != own_protocol ||
        address == nullptr)
        return std::nullopt;
    return Rule{from_addr(address), rtnl_rule_get_table(source)};
}

} // namespace

Request add_rule(const Rule& rule) {
    const RuleObject object = rule_from(rule.source);
    rtnl_rule_set_table(object.get(), rule.table);
    nl_msg* message = nullptr;
    built(rtnl_rule_build_add_request(object.get(), NLM_F_CREATE | NLM_F_EXCL, &message));
    return {Message(message), "add the rule for packets from " + rule.source.to_string()};
}

Request delete_rule(const ip::Address& source) {
    nl_msg* message = nullptr;
    built(rtnl_rule_build_delete_request(rule_from(source).get(), 0, &message));
    return {Message(message), "delete the rule for packets from " + source.to_string()};
}

std::vector<Rule> dump_own_rules(Socket& socket, ip::Family family) {
    fib_rule_hdr header{};
    header.family = family == ip::Family::v4 ? AF_INET : AF_INET6;
    const Request request{make_message(RTM_GETRULE, 0, header), "list the rules"};
    std::vector<Rule> rules;
    socket.dump(
        request,
        [&](nlmsghdr* message) {
            if (const auto rule = to_own_rule(message))
                rules.push_back(*rule);
        },
        [&] { rules.clear(); });
    return rules;
}

} // namespace netlink
