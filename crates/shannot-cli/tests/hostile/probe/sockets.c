/* The network, and the sockets of the host's daemons. */
#include "probe.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/inet_diag.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <net/if.h>

static struct sockaddr_in address(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

/* `name` is a path or, after an `@`, an abstract name. */
static socklen_t unix_address(struct sockaddr_un *a, const char *name) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    strncpy(a->sun_path, name, sizeof a->sun_path - 1);
    if (name[0] == '@') a->sun_path[0] = 0;
    return offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] != '@');
}

static long ok(int fd, long result) { return fd < 0 ? -1 : result; }

/* TCP-PORT UDP-PORT */
static void internet(int argc, char **argv) {
    (void)argc;
    struct sockaddr_in tcp = address(atoi(argv[0])), udp = address(atoi(argv[1]));
    int s = socket(AF_INET, SOCK_STREAM, 0);
    attempt("tcp", ok(s, connect(s, (void *)&tcp, sizeof tcp)));
    s = socket(AF_INET, SOCK_STREAM, 0);
    attempt("tcp fast open", ok(s, sendto(s, "x", 1, MSG_FASTOPEN, (void *)&tcp, sizeof tcp)));
    s = socket(AF_INET, SOCK_STREAM, 262);
    attempt("mptcp", ok(s, connect(s, (void *)&tcp, sizeof tcp)));
    s = socket(AF_INET, SOCK_DGRAM, 0);
    attempt("udp", ok(s, sendto(s, "x", 1, 0, (void *)&udp, sizeof udp)));
    attempt("udp by int 0x80", 0 > int80(359, AF_INET, SOCK_DGRAM, 0, 0, 0) ? -1 : 0);
    attempt("tcp6", socket(AF_INET6, SOCK_STREAM, 0));
    s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET};
    attempt("bind", ok(s, bind(s, (void *)&any, sizeof any)));
    attempt("listen", ok(s, listen(s, 1)));
    attempt("unix", socket(AF_UNIX, SOCK_STREAM, 0));
    attempt("unix dgram", socket(AF_UNIX, SOCK_DGRAM, 0));
    attempt("unix cloexec", socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    attempt("high bits", syscall(SYS_socket, AF_INET | 1UL << 32, SOCK_DGRAM, 0));
    int pair[2];
    attempt("dgram pair", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    attempt("raw pair", socketpair(AF_UNIX, SOCK_RAW, 0, pair));
}

/* What needs root outside. */
static void raw_sockets(int argc, char **argv) {
    (void)argc, (void)argv;
    attempt("raw", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    attempt("packet", socket(AF_PACKET, SOCK_RAW, htons(3)));
    attempt("packet dgram", socket(AF_PACKET, SOCK_DGRAM, 0));
    attempt("vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
    attempt("alg", socket(38, SOCK_SEQPACKET, 0));
    attempt("icmp", is_control() ? 0 : socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
    attempt("can", socket(29, SOCK_RAW, 1));
    attempt("xdp", socket(44, SOCK_RAW, 0));
    attempt("bluetooth", socket(31, SOCK_RAW, 1));
}

/* STREAM-NAME DGRAM-NAME, both of living listeners. */
static void local(int argc, char **argv) {
    (void)argc;
    struct sockaddr_un stream, dgram;
    socklen_t stream_size = unix_address(&stream, argv[0]);
    socklen_t dgram_size = unix_address(&dgram, argv[1]);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    attempt("connect", ok(s, connect(s, (void *)&stream, stream_size)));
    s = socket(AF_UNIX, SOCK_DGRAM, 0);
    attempt("sendto", ok(s, sendto(s, "x", 1, 0, (void *)&dgram, dgram_size)));
    int types[] = {SOCK_DGRAM, SOCK_RAW};
    const char *names[] = {"sendto of a dgram pair", "sendto of a raw pair"};
    for (int i = 0; i < 2; i++) {
        int pair[2] = {-1, -1};
        long made = socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, pair);
        attempt(names[i], made < 0 ? made
                : sendto(pair[0], "x", 1, 0, (void *)&dgram, dgram_size));
    }
    if (is_control()) return;
    int connected[] = {SOCK_STREAM, SOCK_SEQPACKET};
    for (int i = 0; i < 2; i++) {
        int pair[2] = {-1, -1};
        struct iovec io = {"x", 1};
        struct msghdr message = {.msg_name = &dgram, .msg_namelen = dgram_size,
                                 .msg_iov = &io, .msg_iovlen = 1};
        socketpair(AF_UNIX, connected[i], 0, pair);
        sendto(pair[0], "x", 1, 0, (void *)&dgram, dgram_size);
        sendmsg(pair[0], &message, 0);
        close(pair[1]);
        sendto(pair[0], "x", 1, MSG_NOSIGNAL, (void *)&dgram, dgram_size);
        attempt("connect of a pair", connect(pair[0], (void *)&stream, stream_size));
        unix_address(&stream, "@shannot-probe-name");
        attempt("bind of a pair", bind(pair[0], (void *)&stream, 22));
    }
}

/* Which netlink protocols open: a fact for each, 0 to 31. */
static void netlink_protocols(int argc, char **argv) {
    (void)argc, (void)argv;
    for (int protocol = 0; protocol < 32; protocol++) {
        char name[16];
        int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
        snprintf(name, sizeof name, "netlink-%d", protocol);
        fact(name, "%s", s >= 0 ? "open" : strerrorname_np(errno));
        if (s >= 0) close(s);
    }
}

/* One request; the kernel's own answer is the result. */
static long request(int protocol, int type, int flags, const void *body, size_t size) {
    struct { struct nlmsghdr header; char body[256]; } out = {0};
    union { struct nlmsghdr header; char bytes[8192]; } in;
    int s = socket(AF_NETLINK, SOCK_RAW, protocol);
    if (s < 0) return -1;
    out.header.nlmsg_len = NLMSG_LENGTH(size);
    out.header.nlmsg_type = type;
    out.header.nlmsg_flags = NLM_F_REQUEST | flags;
    memcpy(out.body, body, size);
    if (send(s, &out, out.header.nlmsg_len, 0) < 0) return -1;
    long got = recv(s, &in, sizeof in, 0);
    close(s);
    if (got < 0) return -1;
    if (in.header.nlmsg_type != NLMSG_ERROR) return 0;
    const struct nlmsgerr *answer = NLMSG_DATA(&in.header);
    errno = -answer->error;
    return answer->error ? -1 : 0;
}

struct with_attribute { union { struct ifaddrmsg a; struct rtmsg r; struct ndmsg n; } head; };

/* The loopback device has index 1. The control runs in a network namespace of its own. */
static void netlink_writes(int argc, char **argv) {
    (void)argc, (void)argv;
    if (is_control() && unshare(CLONE_NEWNET)) error("unshare");
    struct { struct ifaddrmsg head; struct rtattr attr; struct in_addr value; } add = {
        .head = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 1},
        .attr = {8, IFA_LOCAL}, .value = {htonl(0x7f0a0b0c)}};
    struct ifinfomsg up = {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    attempt("RTM_SETLINK", request(NETLINK_ROUTE, RTM_SETLINK, NLM_F_ACK, &up, sizeof up));
    attempt("RTM_NEWADDR",
            request(NETLINK_ROUTE, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE, &add, sizeof add));
    struct { struct rtmsg head; struct rtattr dst; struct in_addr to; struct rtattr oif;
             uint32_t index; } route = {
        .head = {.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_table = RT_TABLE_MAIN,
                 .rtm_protocol = RTPROT_BOOT, .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST},
        .dst = {8, RTA_DST}, .to = {htonl(0xc6336401)}, .oif = {8, RTA_OIF}, .index = 1};
    attempt("RTM_NEWROUTE",
            request(NETLINK_ROUTE, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, &route, sizeof route));
    attempt("RTM_DELROUTE", request(NETLINK_ROUTE, RTM_DELROUTE, NLM_F_ACK, &route, sizeof route));
    attempt("RTM_DELADDR", request(NETLINK_ROUTE, RTM_DELADDR, NLM_F_ACK, &add, sizeof add));
    struct ifinfomsg gone = {.ifi_index = 1};
    if (!is_control())
        attempt("RTM_DELLINK", request(NETLINK_ROUTE, RTM_DELLINK, NLM_F_ACK, &gone, sizeof gone));
    struct rtmsg rule = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_type = 1};
    attempt("RTM_NEWRULE",
            request(NETLINK_ROUTE, RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE, &rule, sizeof rule));
}

/* LOCAL-PORT REMOTE-PORT of a connection of the host's. */
static void destroy_socket(int argc, char **argv) {
    (void)argc;
    struct inet_diag_req_v2 what = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP,
                                    .idiag_states = -1};
    what.id.idiag_sport = htons(atoi(argv[0]));
    what.id.idiag_dport = htons(atoi(argv[1]));
    what.id.idiag_src[0] = what.id.idiag_dst[0] = htonl(INADDR_LOOPBACK);
    what.id.idiag_cookie[0] = what.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    attempt("SOCK_DESTROY",
            request(NETLINK_SOCK_DIAG, 21 /* SOCK_DESTROY */, NLM_F_ACK, &what, sizeof what));
}

/* Privileged options and unicast to others, of the sockets that the tables view opens. */
static void netlink_options(int argc, char **argv) {
    (void)argc, (void)argv;
    int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), size = 1 << 26;
    attempt("SO_RCVBUFFORCE", setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size));
    attempt("SO_ATTACH_FILTER", is_control() ? 0
            : setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &size, sizeof size));
    attempt("SO_MARK", setsockopt(s, SOL_SOCKET, SO_MARK, &size, sizeof size));
    struct sockaddr_nl other = {.nl_family = AF_NETLINK, .nl_pid = getppid()};
    attempt("unicast", is_control() ? 0 : sendto(s, "x", 1, 0, (void *)&other, sizeof other));
    struct ifreq interface = {.ifr_name = "lo"};
    attempt("SIOCGIFFLAGS", is_control() ? 0 : ioctl(s, 0x8913, &interface));
    interface.ifr_flags = 0;
    attempt("SIOCSIFFLAGS", is_control() ? 0 : ioctl(s, 0x8914, &interface));
}

const struct probe_case sockets_cases[] = {
    {"internet", internet},
    {"raw-sockets", raw_sockets},
    {"local", local},
    {"netlink-protocols", netlink_protocols},
    {"netlink-writes", netlink_writes},
    {"destroy-socket", destroy_socket},
    {"netlink-options", netlink_options},
    {0},
};
