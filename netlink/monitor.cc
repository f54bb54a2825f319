#include "netlink/monitor.h"

#include "netlink/datagram.h"
#include "netlink/error.h"
#include "netlink/link.h"
#include "netlink/message.h"
#include "netlink/nft.h"
#include "netlink/socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <initializer_list>
#include <linux/netconf.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <memory>
#include <net/if.h>
#include <netlink/attr.h>
#include <optional>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace netlink {

namespace {

Fd listen_to(int protocol, std::initializer_list<int> groups) {
    Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    if (!fd)
        fail("open a netlink socket");
    // Unbound it would have the kernel's own port, 0, and be taken for the sender of all news.
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        fail("bind a netlink socket");
    for (const int group : groups)
        if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
            fail("listen to the kernel's changes");
    return fd;
}

/// None in a kernel without nftables: there is nothing to hear of them.
Fd listen_to_nftables() {
    try {
        return listen_to(NETLINK_NETFILTER, {NFNLGRP_NFTABLES});
    } catch (const Error& error) {
        if (error.number() != EPROTONOSUPPORT)
            throw;
        return Fd(-1);
    }
}

bool is_pods(std::string_view name) {
    return name.starts_with("veth");
}

std::string_view name_of(nlmsghdr* header) {
    return text_in(nlmsg_find_attr(header, sizeof(ifinfomsg), IFLA_IFNAME));
}

/// Whether it tells that a device was up and is so no more; of a new device all flags are new.
bool went_down(const ifinfomsg& link) {
    return link.ifi_change != ~0U && (link.ifi_change & IFF_UP) != 0 &&
           (link.ifi_flags & IFF_UP) == 0;
}

/// A link is taken down as it is deleted too: then the kernel does not answer before it is gone.
/// Where it cannot be asked, one may be down: who is told so looks for himself.
bool any_may_be_down(const std::set<int>& links) {
    std::vector<Request> requests;
    requests.reserve(links.size());
    for (const int link : links)
        requests.push_back(get_link(link));
    try {
        return std::ranges::any_of(Socket().exchange(requests), [](const Socket::Answer& answer) {
            return answer.error ? answer.error->number() != ENODEV : !to_link(answer.reply).up;
        });
    } catch (const Error&) {
        return true;
    }
}

/// The device that the setting is of; negative for those of all and of new ones.
int netconf_link(nlmsghdr* header) {
    const auto index = number_in(nlmsg_find_attr(header, sizeof(netconfmsg), NETCONFA_IFINDEX));
    return static_cast<int>(index.value_or(0));
}

/// The kernel names a socket that binds to no certain port by its process; libnl numbers several of
/// a process in the upper bits.
std::optional<int> process_of(std::uint32_t port) {
    constexpr unsigned process_bits = 22;
    const auto process = static_cast<int>(port & ((1U << process_bits) - 1));
    if (port == 0 || port >> 31 != 0 || process == ::getpid())
        return std::nullopt;
    return process;
}

} // namespace

Monitor::Monitor()
    : route_(listen_to(NETLINK_ROUTE, {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE,
                                       RTNLGRP_IPV4_NETCONF})),
      nftables_(listen_to_nftables()) {
    find_links();
}

void Monitor::find_links() {
    const std::unique_ptr<struct if_nameindex, decltype(&::if_freenameindex)> list(
        ::if_nameindex(), &::if_freenameindex);
    if (!list)
        fail("list the devices");
    links_.clear();
    for (const struct if_nameindex* entry = list.get(); entry->if_index != 0; ++entry)
        if (!is_pods(entry->if_name))
            links_.insert(static_cast<int>(entry->if_index));
}

void Monitor::note_links() {
    try {
        find_links();
    } catch (const Error&) { // those of before do meanwhile: who is told looks for himself
    }
}

Monitor::News Monitor::take() {
    News news;
    read(route_.get(), &Monitor::concerns_mesh, news);
    if (nftables_)
        read(nftables_.get(), &Monitor::concerns_rules, news);
    if (!downed_.empty() && any_may_be_down(std::exchange(downed_, {})))
        news.any = true;
    return news;
}

void Monitor::read(int fd, bool (Monitor::*concerns)(nlmsghdr*), News& news) {
    alignas(nlmsghdr) std::array<char, 65536> buffer; // NOLINT: read into before it is read from
    for (;;) {
        const ssize_t size = receive_from_kernel(fd, buffer.data(), buffer.size(), 0);
        if (size < 0 && errno == ENOBUFS) { // it had more to say than we could hear
            note_links();
            news.any = true;
            continue;
        }
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size < 0)
            fail("hear the kernel's changes");
        int left = static_cast<int>(size);
        for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, left);
             header = nlmsg_next(header, &left))
            if ((this->*concerns)(header)) {
                news.any = true;
                if (const auto process = process_of(header->nlmsg_pid))
                    news.processes.insert(*process);
            }
    }
}

bool Monitor::concerns_mesh(nlmsghdr* header) {
    switch (header->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
        const auto& link = header_of<ifinfomsg>(header);
        const int index = link.ifi_index;
        if (is_pods(name_of(header))) {
            if (header->nlmsg_type == RTM_NEWLINK && went_down(link))
                downed_.insert(index);
            return false;
        }
        if (header->nlmsg_type == RTM_NEWLINK)
            links_.insert(index);
        else
            links_.erase(index);
        return true;
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
        const auto& route = header_of<rtmsg>(header);
        // A pod's route goes in silence with its link: one that is deleted aloud was another's
        // deed.
        const bool pods_came = route.rtm_dst_len == 32 && route.rtm_type != RTN_LOCAL &&
                               header->nlmsg_type == RTM_NEWROUTE;
        return !pods_came;
    }
    case RTM_NEWNETCONF:
    case RTM_DELNETCONF: {
        // Of a new device its settings are told first, and then what it is.
        const int index = netconf_link(header);
        return index < 0 || links_.contains(index);
    }
    default:
        return true;
    }
}

bool Monitor::concerns_rules(nlmsghdr* header) {
    // What tells of a table, a chain, a rule, a set, ... has the table's name first.
    return text_in(nlmsg_find_attr(header, sizeof(nfgenmsg), NFTA_TABLE_NAME)) == nft::table;
}

} // namespace netlink
