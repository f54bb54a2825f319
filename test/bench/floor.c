// The least that the kernel lets anyone get away with: a pod wired, or a mesh made, by the fewest
// netlink messages there are, pipelined, in a static program of C. No configuration, no leases, no
// result, no checks. What the plugin's times are measured against.
//
//   floor pod NETNS LINK ADDRESS GATEWAY   a veth pair, born where its ends belong, with routes
//   floor delete LINK                      waits until the kernel is done with it
//   floor gone LINK                        waits until the link is gone, as its event tells
//   floor mesh N LOCAL ENDPOINT            N ipip devices, each with a peer's address and a route
//   floor mesh-group N                     puts the N devices of "mesh" in the group, each by a message
//   floor mesh-delete                      all devices of "mesh", by one message for their group
//   floor shared N LOCAL ENDPOINT          one ipip device and N routes over it
//   floor nothing
//
// What concerns a mesh prints the milliseconds that it took, process start left out.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { own_group = 0x6970, first_tunnel = 2000000, batch_limit = 64 * 1024, message_limit = 512 };

static char batch[batch_limit];
static size_t used;
static struct nlmsghdr* message;

static void fail(const char* what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_socket(unsigned groups) {
    const int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    const int one = 1, size = 8 << 20;
    if (s < 0 || bind(s, (const struct sockaddr*)&address, sizeof address) != 0)
        fail("socket");
    setsockopt(s, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
    setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    return s;
}

// Sends what is gathered and waits until the last of it is acknowledged; what fails before is
// answered as well.
static void finish(int s) {
    static char answer[batch_limit];
    int done = used == 0;
    if (!done)
        message->nlmsg_flags |= NLM_F_ACK;
    if (!done && send(s, batch, used, 0) != (ssize_t)used)
        fail("send");
    used = 0;
    while (!done) {
        ssize_t size = recv(s, answer, sizeof answer, 0);
        if (size < 0)
            fail("recv");
        for (struct nlmsghdr* header = (struct nlmsghdr*)answer; NLMSG_OK(header, size);
             header = NLMSG_NEXT(header, size)) {
            const struct nlmsgerr* error = NLMSG_DATA(header);
            if (header->nlmsg_type != NLMSG_ERROR)
                continue;
            errno = -error->error;
            if (errno != 0)
                fail("the kernel's answer");
            done = 1;
        }
    }
}

static void* begin(int s, unsigned short type, unsigned short flags, const void* body,
                   size_t size) {
    if (used + message_limit > sizeof batch)
        finish(s);
    message = (struct nlmsghdr*)(batch + used);
    memset(message, 0, message_limit);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    message->nlmsg_len = NLMSG_LENGTH(size);
    memcpy(NLMSG_DATA(message), body, size);
    return NLMSG_DATA(message);
}

static struct rtattr* put(unsigned short type, const void* data, size_t size) {
    struct rtattr* attribute = (struct rtattr*)((char*)message + NLMSG_ALIGN(message->nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH(size);
    if (size > 0)
        memcpy(RTA_DATA(attribute), data, size);
    message->nlmsg_len = NLMSG_ALIGN(message->nlmsg_len) + RTA_ALIGN(attribute->rta_len);
    return attribute;
}

static void put_u32(unsigned short type, uint32_t value) {
    put(type, &value, sizeof value);
}

static void put_text(unsigned short type, const char* text) {
    put(type, text, strlen(text) + 1);
}

static void close_nest(struct rtattr* nest) {
    nest->rta_len = (char*)message + message->nlmsg_len - (char*)nest;
}

static void end(void) {
    used += NLMSG_ALIGN(message->nlmsg_len);
}

static uint32_t address_of(const char* text) {
    struct in_addr address;
    if (inet_pton(AF_INET, text, &address) != 1) {
        errno = EINVAL;
        fail(text);
    }
    return address.s_addr;
}

static void add_address(int s, int link, uint32_t local, uint32_t peer) {
    const struct ifaddrmsg body = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = link};
    begin(s, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
    put_u32(IFA_LOCAL, local);
    put_u32(IFA_ADDRESS, peer);
    end();
}

// A gateway of 0: straight to the link.
static void add_route(int s, int link, uint32_t to, unsigned char bits, uint32_t gateway,
                      uint32_t source) {
    const struct rtmsg body = {.rtm_family = AF_INET,
                               .rtm_dst_len = bits,
                               .rtm_table = RT_TABLE_MAIN,
                               .rtm_protocol = RTPROT_STATIC,
                               .rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                               .rtm_type = RTN_UNICAST,
                               .rtm_flags = gateway ? RTNH_F_ONLINK : 0};
    begin(s, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
    if (bits > 0)
        put_u32(RTA_DST, to);
    put_u32(RTA_OIF, link);
    if (gateway)
        put_u32(RTA_GATEWAY, gateway);
    if (source)
        put_u32(RTA_PREFSRC, source);
    end();
}

static void set_link(int s, int index, unsigned flags, int without_ipv6) {
    const struct ifinfomsg body = {.ifi_index = index, .ifi_flags = flags, .ifi_change = flags};
    begin(s, RTM_SETLINK, 0, &body, sizeof body);
    if (without_ipv6) {
        const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
        struct rtattr* families = put(IFLA_AF_SPEC, NULL, 0);
        struct rtattr* family = put(AF_INET6, NULL, 0);
        put(IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
        close_nest(family);
        close_nest(families);
    }
    end();
}

static void make_pod(const char* netns, const char* name, uint32_t address, uint32_t gateway) {
    // Indices of our own choice save the question for those that the kernel would choose.
    const int index = 1000000 + getpid();
    const struct ifinfomsg host = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    // The kernel does not bring the peer up before it has the other end.
    // Not 2, which may be a module's own device.
    const struct ifinfomsg peer = {.ifi_index = index};
    const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    const int pod = open(netns, O_RDONLY | O_CLOEXEC);
    const int outside = open_socket(0);
    if (pod < 0 || setns(pod, CLONE_NEWNET) != 0)
        fail(netns);
    const int inside = open_socket(0);
    if (setns(home, CLONE_NEWNET) != 0)
        fail("setns");

    begin(outside, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &host, sizeof host);
    put_text(IFLA_IFNAME, name);
    put_u32(IFLA_NUM_TX_QUEUES, 1);
    put_u32(IFLA_NUM_RX_QUEUES, 1);
    struct rtattr* info = put(IFLA_LINKINFO, NULL, 0);
    put_text(IFLA_INFO_KIND, "veth");
    struct rtattr* data = put(IFLA_INFO_DATA, NULL, 0);
    struct rtattr* end_of_pod = put(VETH_INFO_PEER, &peer, sizeof peer);
    put_text(IFLA_IFNAME, "eth0");
    put_u32(IFLA_NET_NS_FD, pod);
    put_u32(IFLA_NUM_TX_QUEUES, 1);
    put_u32(IFLA_NUM_RX_QUEUES, 1);
    close_nest(end_of_pod);
    close_nest(data);
    close_nest(info);
    end();
    add_route(outside, index, address, 32, 0, 0);
    finish(outside);
    set_link(inside, index, IFF_UP, 0);
    add_address(inside, index, address, address);
    add_route(inside, index, 0, 0, gateway, 0);
    finish(inside);
}

static void ask_to_delete(const char* name) {
    const struct ifinfomsg body = {0};
    begin(0, RTM_DELLINK, 0, &body, sizeof body);
    put_text(IFLA_IFNAME, name);
    end();
}

static void delete_link(const char* name) {
    const int s = open_socket(0);
    ask_to_delete(name);
    finish(s);
}

static int ask(void* s) {
    close_range(0, 2, 0); // who waits for the end of our output is not to wait for this
    return send(*(int*)s, batch, used, 0) == (ssize_t)used ? 0 : 1;
}

// The kernel tells of the end of a link, addresses and routes included, long before it answers who
// asked for it. So another process asks, and stays until it has its answer.
static void await_end_of(const char* name) {
    static char news[batch_limit], stack[16384] __attribute__((aligned(16)));
    int s = open_socket(RTMGRP_LINK);
    ask_to_delete(name);
    if (clone(ask, stack + sizeof stack, CLONE_VM | SIGCHLD, &s) < 0)
        fail("clone");
    for (;;) {
        ssize_t size = recv(s, news, sizeof news, 0);
        if (size < 0)
            fail("recv");
        for (struct nlmsghdr* header = (struct nlmsghdr*)news; NLMSG_OK(header, size);
             header = NLMSG_NEXT(header, size)) {
            if (header->nlmsg_type == NLMSG_ERROR) {
                errno = -((const struct nlmsgerr*)NLMSG_DATA(header))->error;
                fail("the kernel's answer");
            }
            const struct rtattr* first = IFLA_RTA(NLMSG_DATA(header));
            int length = IFLA_PAYLOAD(header);
            for (const struct rtattr* each = first; RTA_OK(each, length);
                 each = RTA_NEXT(each, length))
                if (header->nlmsg_type == RTM_DELLINK && each->rta_type == IFLA_IFNAME &&
                    strcmp(RTA_DATA(each), name) == 0)
                    return;
        }
    }
}

static uint32_t number(uint32_t network, unsigned i) {
    return htonl(ntohl(network) + i);
}

// Addresses of IPv6 that the kernel would give it cost more than one more message.
static void make_tunnel(int s, int index, unsigned i, uint32_t local, uint32_t remote) {
    const struct ifinfomsg body = {.ifi_index = index};
    char name[IFNAMSIZ];
    snprintf(name, sizeof name, "floor%u", i);
    begin(s, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
    put_text(IFLA_IFNAME, name);
    put_u32(IFLA_GROUP, own_group);
    struct rtattr* info = put(IFLA_LINKINFO, NULL, 0);
    put_text(IFLA_INFO_KIND, "ipip");
    struct rtattr* data = put(IFLA_INFO_DATA, NULL, 0);
    const uint8_t discovery = 1, ttl = 64;
    put_u32(IFLA_IPTUN_LOCAL, local);
    if (remote)
        put_u32(IFLA_IPTUN_REMOTE, remote);
    put(IFLA_IPTUN_TTL, &ttl, sizeof ttl);
    put(IFLA_IPTUN_PMTUDISC, &discovery, sizeof discovery);
    close_nest(data);
    close_nest(info);
    end();
    set_link(s, index, 0, 1);
    set_link(s, index, IFF_UP, 0);
}

// Peer i has the address 172.18.0.0 + i, the endpoint 10.64.0.1 + 256 i and the pod CIDR about it.
static void make_mesh(unsigned peers, uint32_t local, uint32_t endpoint, int one_device) {
    const int s = open_socket(0), first = first_tunnel;
    const uint32_t remotes = inet_addr("172.18.0.0"), pods = inet_addr("10.64.0.0");
    if (one_device) {
        make_tunnel(s, first, 0, local, 0);
        add_address(s, first, endpoint, endpoint);
    }
    for (unsigned i = 0; i < peers; ++i) {
        const uint32_t remote = number(remotes, i + 1);
        if (one_device) {
            add_route(s, first, number(pods, i << 8), 24, remote, endpoint);
        } else {
            make_tunnel(s, first + (int)i, i, local, remote);
            add_address(s, first + (int)i, endpoint, number(pods, (i << 8) + 1));
            add_route(s, first + (int)i, number(pods, i << 8), 24, 0, endpoint);
        }
    }
    finish(s);
}

// Whoever wants to know whether all is as it should be has to read this much.
static void list(int s, unsigned short type, const void* body, size_t size) {
    static char answer[batch_limit];
    begin(s, type, NLM_F_DUMP, body, size);
    if (type == RTM_GETLINK) {
        put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        struct rtattr* info = put(IFLA_LINKINFO, NULL, 0);
        put_text(IFLA_INFO_KIND, "ipip");
        close_nest(info);
    }
    end();
    if (send(s, batch, used, 0) != (ssize_t)used)
        fail("send");
    used = 0;
    for (;;) {
        ssize_t got = recv(s, answer, sizeof answer, 0);
        if (got < 0)
            fail("recv");
        for (struct nlmsghdr* header = (struct nlmsghdr*)answer; NLMSG_OK(header, got);
             header = NLMSG_NEXT(header, got))
            if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
                return;
    }
}

static void look(unsigned peers) {
    enum { at_once = 64 }; // whose answers fit the socket's buffer
    static char answer[batch_limit];
    const int s = open_socket(0);
    const struct ifinfomsg links = {0};
    const struct ifaddrmsg addresses = {.ifa_family = AF_INET};
    const struct rtmsg routes = {.rtm_family = AF_INET};
    list(s, RTM_GETLINK, &links, sizeof links);
    list(s, RTM_GETADDR, &addresses, sizeof addresses);
    list(s, RTM_GETROUTE, &routes, sizeof routes);
    const struct rtmsg way = {.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_flags = RTM_F_FIB_MATCH};
    for (unsigned i = 0; i < peers; ++i) {
        begin(s, RTM_GETROUTE, 0, &way, sizeof way);
        put_u32(RTA_DST, number(inet_addr("172.18.0.0"), i + 1));
        end();
        if (i % at_once == at_once - 1 || i == peers - 1) {
            if (send(s, batch, used, 0) != (ssize_t)used)
                fail("send");
            used = 0;
            while (recv(s, answer, sizeof answer, MSG_DONTWAIT) > 0)
                ;
        }
    }
}

// They are in it; the kernel does not ask.
static void group_mesh(unsigned peers) {
    const int s = open_socket(0);
    for (unsigned i = 0; i < peers; ++i) {
        const struct ifinfomsg body = {.ifi_index = first_tunnel + (int)i};
        begin(s, RTM_SETLINK, 0, &body, sizeof body);
        put_u32(IFLA_GROUP, own_group);
        end();
    }
    finish(s);
}

static void delete_mesh(void) {
    const struct ifinfomsg body = {0};
    const int s = open_socket(0);
    begin(s, RTM_DELLINK, 0, &body, sizeof body);
    put_u32(IFLA_GROUP, own_group);
    end();
    finish(s);
}

static double milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

int main(int argc, char** argv) {
    const char* what = argc > 1 ? argv[1] : "";
    const double start = milliseconds();
    if (argc == 6 && strcmp(what, "pod") == 0)
        make_pod(argv[2], argv[3], address_of(argv[4]), address_of(argv[5]));
    else if (argc == 3 && strcmp(what, "delete") == 0)
        delete_link(argv[2]);
    else if (argc == 3 && strcmp(what, "gone") == 0)
        await_end_of(argv[2]);
    else if (argc == 5 && (strcmp(what, "mesh") == 0 || strcmp(what, "shared") == 0))
        make_mesh((unsigned)atoi(argv[2]), address_of(argv[3]), address_of(argv[4]), *what == 's');
    else if (argc == 2 && strcmp(what, "mesh-delete") == 0)
        delete_mesh();
    else if (argc == 3 && strcmp(what, "mesh-group") == 0)
        group_mesh((unsigned)atoi(argv[2]));
    else if (argc == 3 && strcmp(what, "look") == 0)
        look((unsigned)atoi(argv[2]));
    else if (argc != 2 || strcmp(what, "nothing") != 0)
        return fputs("floor: see the head of floor.c for what it does\n", stderr), 2;
    if (strncmp(what, "mesh", 4) == 0 || strcmp(what, "shared") == 0 || strcmp(what, "look") == 0)
        printf("%.2f\n", milliseconds() - start);
    return 0;
}
