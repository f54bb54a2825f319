#include "netlink/monitor.h"

#include "netlink/error.h"
#include "netlink/message.h"

#include <array>
#include <cerrno>
#include <initializer_list>
#include <linux/netconf.h>
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

bool is_pods(std::string_view name) {
    return name.starts_with("veth");
}

std::string_view name_of(nlmsghdr* header) {
    nlattr* name = nlmsg_find_attr(header, sizeof(ifinfomsg), IFLA_IFNAME);
    return name == nullptr ? std::string_view() : nla_get_string(name);
}

/// Whether it tells that a device was up and is so no more; of a new device all flags are new.
bool went_down(const ifinfomsg* link) {
    return link->ifi_change != ~0U && (link->ifi_change & IFF_UP) != 0 &&
           (link->ifi_flags & IFF_UP) == 0;
}

/// The device that the setting is of; negative for those of all and of new ones.
int netconf_link(nlmsghdr* header) {
    nlattr* index = nlmsg_find_attr(header, sizeof(netconfmsg), NETCONFA_IFINDEX);
    return index == nullptr ? 0 : static_cast<int>(nla_get_u32(index));
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
      nftables_(listen_to(NETLINK_NETFILTER, {NFNLGRP_NFTABLES})) {
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

Monitor::News Monitor::take() {
    News news;
    read(route_.get(), &Monitor::concerns_mesh, news);
    read(nftables_.get(), &Monitor::any, news);
    // A link is taken down as it is deleted too; then the kernel forgets its number at once.
    for (const int index : std::exchange(downed_, {})) {
        std::array<char, IF_NAMESIZE> name{};
        news.any = news.any || ::if_indextoname(static_cast<unsigned>(index), name.data());
    }
    return news;
}

void Monitor::read(int fd, bool (Monitor::*concerns)(nlmsghdr*), News& news) {
    alignas(nlmsghdr) std::array<char, 65536> buffer; // NOLINT: read into before it is read from
    for (;;) {
        const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (size < 0 && errno == ENOBUFS) { // it had more to say than we could hear
            find_links();
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
        const auto* link = static_cast<const ifinfomsg*>(nlmsg_data(header));
        const int index = link->ifi_index;
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
        const auto* route = static_cast<const rtmsg*>(nlmsg_data(header));
        // A pod's route goes in silence with its link: one that is deleted aloud was another's
        // deed.
        const bool pods_came = route->rtm_dst_len == 32 && route->rtm_type != RTN_LOCAL &&
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

} // namespace netlink
