/* Descriptors in messages: SCM_RIGHTS, unix(7). */
#include "probe.h"

/* A message of one byte with a descriptor, to be sent, or with room for one. */
struct parcel {
    struct iovec io;
    struct msghdr head;
    char byte;
    union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(int))]; } control;
};

static struct msghdr *parcel(struct parcel *p, int fd) {
    memset(p, 0, sizeof *p);
    p->io = (struct iovec){&p->byte, 1};
    p->head = (struct msghdr){.msg_iov = &p->io, .msg_iovlen = 1, .msg_control = p->control.bytes,
                              .msg_controllen = sizeof p->control};
    p->control.head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&p->control.head), &fd, sizeof fd);
    return &p->head;
}

static int unpack(struct parcel *p) {
    int fd = -1;
    struct cmsghdr *got = CMSG_FIRSTHDR(&p->head);
    if (got && got->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(got), sizeof fd);
    return fd;
}

/* LOG FILE COMMAND...: the host's side becomes COMMAND with a socket for its stdin and stderr, in
 * which a descriptor of FILE waits. Whoever has the other end writes down what comes out. */
static void with_socket(int argc, char **argv) {
    (void)argc;
    struct parcel p;
    int pair[2], file = open(argv[1], O_RDWR | O_APPEND);
    if (file < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return error("socketpair");
    if (sendmsg(pair[0], parcel(&p, file), 0) != 1) return error("sendmsg");
    if (fork() == 0) {
        int log = open(argv[0], O_WRONLY | O_APPEND), null = open("/dev/null", O_RDWR);
        alarm(30);
        for (int fd = 0; fd < 3; fd++) dup2(null, fd);
        close(pair[1]);
        while (recvmsg(pair[0], parcel(&p, -1), 0) > 0)
            if (unpack(&p) >= 0) dprintf(log, "a descriptor came out\n");
        _exit(0);
    }
    dup2(pair[1], 0), dup2(pair[1], 2);
    close(pair[0]), close(pair[1]), close(file);
    execvp(argv[2], argv + 2);
    exit(3);
}

/* From the command's side: takes one in, and gives one out. */
static void pass_descriptors(int argc, char **argv) {
    (void)argc, (void)argv;
    struct parcel p;
    int got = -1, own = open("/etc/passwd", O_RDONLY);
    if (recvmsg(0, parcel(&p, -1), MSG_DONTWAIT) > 0) got = unpack(&p);
    attempt("take a descriptor in", got);
    attempt("write to it", got < 0 ? -1 : write(got, "x", 1));
    for (int fd = 0; fd < 3; fd += 2) {
        char where[8];
        snprintf(where, sizeof where, "%d", fd);
        attempt_at("send a descriptor out", where, sendmsg(fd, parcel(&p, own), MSG_NOSIGNAL));
    }
    if (is_control()) return;
    /* A netlink socket, where the view has one, carries none. */
    int netlink = socket(AF_NETLINK, SOCK_RAW, 0);
    attempt("send one by netlink", netlink < 0 ? -1 : sendmsg(netlink, parcel(&p, own), 0));
}

const struct probe_case smuggle_cases[] = {
    {"with-socket", with_socket}, {"pass-descriptors", pass_descriptors}, {0},
};
