#include "netlink/link_group.h"

#include "netlink/link.h"
#include "netlink/message.h"

#include <cerrno>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/random.h>

namespace netlink {

namespace {

/// One that nobody is in: to look for it, all links of the host would have to be listed, which
/// takes a tenth of what their deletion does. Chance finds another's with one in four thousand
/// million.
std::uint32_t choose_group() {
    std::uint32_t group = 0; // everyone's, ip-link(8)
    while (group == 0)
        if (::getrandom(&group, sizeof group, 0) < 0 && errno != EINTR)
            fail("choose a group of links");
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
    return {std::move(message), "delete a group of links"};
}

} // namespace

std::vector<std::optional<Error>> delete_links(Socket& socket, const std::vector<Link>& links) {
    std::vector<std::optional<Error>> troubles(links.size());
    if (links.empty())
        return troubles;
    const std::uint32_t group = choose_group();
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
