#include "netlink/link_group.h"

#include "netlink/link.h"
#include "netlink/message.h"

#include <cerrno>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <set>

namespace netlink {

namespace {

constexpr std::uint32_t first_group = 94'000; // 0 is everyone's, ip-link(8)

/// A group in which there is no device but, left by one who was killed in here, these.
std::uint32_t find_free_group(Socket& socket, const std::vector<Link>& links) {
    Message message = make_message(RTM_GETLINK, 0, ifinfomsg{});
    built(nla_put_u32(message.get(), IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS));
    std::set<int> own;
    for (const Link& link : links)
        own.insert(link.index);
    std::set<std::uint32_t> taken;
    socket.dump(
        {std::move(message), "list the groups of all links"},
        [&](const Message& reply) {
            nlmsghdr* header = nlmsg_hdr(reply.get());
            const auto group = number_in(nlmsg_find_attr(header, sizeof(ifinfomsg), IFLA_GROUP));
            if (group && !own.contains(header_of<ifinfomsg>(header).ifi_index))
                taken.insert(*group);
        },
        [&] { taken.clear(); });
    std::uint32_t group = first_group;
    while (taken.contains(group))
        ++group;
    return group;
}

Request set_group(const Link& link, std::uint32_t group) {
    ifinfomsg header{};
    header.ifi_index = link.index;
    Message message = make_message(RTM_SETLINK, 0, header);
    built(nla_put_u32(message.get(), IFLA_GROUP, group));
    return {std::move(message), "delete the link " + link.name};
}

Request delete_group(std::uint32_t group) {
    Message message = make_message(RTM_DELLINK, 0, ifinfomsg{});
    built(nla_put_u32(message.get(), IFLA_GROUP, group));
    return {std::move(message), "delete the links of group " + std::to_string(group)};
}

} // namespace

std::vector<std::optional<Error>> delete_links(Socket& socket, const std::vector<Link>& links) {
    std::vector<std::optional<Error>> troubles(links.size());
    if (links.empty())
        return troubles;
    const std::uint32_t group = find_free_group(socket, links);
    std::vector<Request> requests;
    requests.reserve(links.size() + 1);
    for (const Link& link : links)
        requests.push_back(set_group(link, group));
    requests.push_back(delete_group(group));
    const auto answers = socket.exchange(requests);
    const auto trouble = [](const Socket::Answer& answer) {
        const bool gone = answer.error && answer.error->number() == ENODEV;
        return gone ? std::nullopt : answer.error;
    };
    const auto of_all = trouble(answers.back());
    for (std::size_t i = 0; i < links.size(); ++i) {
        troubles[i] = trouble(answers[i]);
        if (!troubles[i] && !answers[i].error)
            troubles[i] = of_all;
    }
    return troubles;
}

} // namespace netlink
