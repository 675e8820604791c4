/* File systems whose server never answers: the host's side makes one in a mount namespace of its
 * own and becomes COMMAND; the box's side looks at it. */
#include "probe.h"
#include <dirent.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>

#define SYS_PIDFD_OPEN 434
/* Milliseconds after which COMMAND is ended if it still waits, for a test must end. */
#define LONGEST 15000

static char options[256];

/* Holds none of COMMAND's streams. Returns a descriptor that tells its end. */
static int become_server(void) {
    int command = syscall(SYS_PIDFD_OPEN, getppid(), 0), null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    return command;
}

/* The next request, or the end: with COMMAND, or of it. Not by the signal of a parent's death,
 * which a parent of another user may not send. */
static ssize_t next(int from, int command, void *request, size_t size) {
    struct pollfd fds[] = {{from, POLLIN, 0}, {command, POLLIN, 0}};
    if (poll(fds, 2, LONGEST) == 0) kill(getppid(), SIGKILL);
    if (!(fds[0].revents & POLLIN) || fds[1].revents) _exit(0);
    return read(from, request, size);
}

static void become(char **command) {
    fflush(stdout);
    execvp(command[0], command);
    error("exec");
    exit(3);
}

/* Requests are read, so that who made one cannot be killed any more, and not answered. */
static void serve_fuse(int fuse, int told) {
    static char request[1 << 17];
    int command = become_server();
    for (;;) {
        const struct fuse_in_header *in = (void *)request;
        if (next(fuse, command, request, sizeof request) < (ssize_t)sizeof *in) _exit(0);
        if (in->opcode != FUSE_INIT) continue;
        struct { struct fuse_out_header head; struct fuse_init_out init; } out = {
            .head = {.len = sizeof out, .unique = in->unique},
            .init = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
                     .max_write = 4096},
        };
        if (write(fuse, &out, sizeof out) < 0 || write(told, "x", 1) < 0) _exit(1);
    }
}

/* DIR COMMAND... */
static void with_fuse(int argc, char **argv) {
    (void)argc;
    int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC), ready[2];
    if (fuse < 0 || pipe2(ready, O_CLOEXEC)) return error("/dev/fuse");
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse);
    if (mount("hung", argv[0], "fuse", MS_NOSUID | MS_NODEV, options)) return error("mount");
    if (fork() == 0) serve_fuse(fuse, ready[1]);
    close(ready[1]);
    char byte;
    if (read(ready[0], &byte, 1) != 1) return error("the server");
    become(argv + 1);
}

/* What is asked of the daemon is written down, and not answered. */
static void serve_autofs(int asked, const char *log) {
    struct { int version, type; } head;
    char packet[512];
    int command = become_server();
    for (;;) {
        if (next(asked, command, packet, sizeof packet) < (ssize_t)sizeof head) _exit(0);
        memcpy(&head, packet, sizeof head);
        int fd = open(log, O_WRONLY | O_APPEND);
        dprintf(fd, "asked for %d\n", head.type);
        close(fd);
    }
}

/* KIND, DIR, LOG, COMMAND...: "direct" is asked for at DIR itself, "indirect" at a name below. */
static void with_autofs(int argc, char **argv) {
    (void)argc;
    int asks[2];
    if (pipe2(asks, O_DIRECT)) return error("pipe");
    pid_t server = fork();
    if (server == 0) {
        close(asks[1]);
        serve_autofs(asks[0], argv[2]);
    }
    /* Of another process group than COMMAND, for the daemon's own group walks on freely. */
    setpgid(server, server);
    snprintf(options, sizeof options, "fd=%d,pgrp=%d,minproto=5,maxproto=5,%s", asks[1], server,
             argv[0]);
    if (mount("hung", argv[1], "autofs", 0, options)) return error("mount");
    close(asks[0]), close(asks[1]);
    become(argv + 3);
}

/* Looks at each PATH in the ways that wait for a server. */
static void look(int argc, char **argv) {
    char buffer[16];
    for (int i = 0; i < argc; i++) {
        struct stat s;
        attempt_at("stat", argv[i], stat(argv[i], &s));
        DIR *dir = opendir(argv[i]);
        struct dirent *entry = dir ? readdir(dir) : NULL;
        attempt_at("list", argv[i], dir ? 0 : -1);
        (void)entry;
        attempt_at("read", argv[i], slurp(argv[i], buffer, sizeof buffer));
    }
}

const struct probe_case hung_cases[] = {
    {"with-fuse", with_fuse}, {"with-autofs", with_autofs}, {"look", look}, {0},
};
