/* Runs a program on a host that has less: layers are taken away from outside, by the kernel, so the
 * program under test has no switch for it.
 *
 *   force LAYER[,LAYER...] PROGRAM [ARG...]
 *
 *   landlock=N   Landlock answers as ABI N does, 0 for none
 *   mount_setattr the call is missing, as before Linux 5.12
 *   remount      a mount that is to be changed is said to be, and stays as it was
 *   container    calls that Docker's default profile refuses without CAP_SYS_ADMIN are refused so
 *   cgroup       the cgroup file systems are read-only
 *   bwrap        /usr/bin/bwrap is no program
 *   userns       no user namespace can be made
 *   hidepid      /proc shows a user's own processes only (hidepid=2)
 *
 * All but the first four need root. */
#include "probe.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/uio.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

static int abi = -1, no_mount_setattr, no_remount, in_container;
/* The number of the listener in the table that both processes share. */
static volatile int *listener;

static void need(const char *what, long result) {
    if (result >= 0) return;
    error(what);
    _exit(99);
}

/* struct mount_attr */
static const uint64_t read_only[4] = {MS_RDONLY, 0, 0, 0};

static void take_away_mounts(const char *layer) {
    need("unshare", unshare(CLONE_NEWNS));
    need("private", mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    if (!strcmp(layer, "bwrap"))
        need("bind", mount("/dev/null", "/usr/bin/bwrap", NULL, MS_BIND, NULL));
    else if (!strcmp(layer, "hidepid"))
        need("proc", mount("proc", "/proc", "proc", 0, "hidepid=2"));
    else
        need("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/sys/fs/cgroup", 0x8000,
                                      read_only, sizeof read_only));
}

static void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    need(path, fd);
    need(path, write(fd, text, strlen(text)));
    close(fd);
}

/* A user namespace with every id of this one, in which the limit is 0. Its id maps are written by a
 * process outside. */
static void take_away_user_namespaces(void) {
    int made[2], mapped[2];
    char path[64], byte = 0;
    need("pipe", pipe2(made, O_CLOEXEC));
    need("pipe", pipe2(mapped, O_CLOEXEC));
    pid_t child = fork();
    need("fork", child);
    if (!child) {
        read(made[0], &byte, 1);
        for (int i = 0; i < 2; i++) {
            snprintf(path, sizeof path, "/proc/%d/%s", getppid(), i ? "gid_map" : "uid_map");
            put(path, "0 0 4294967295\n");
        }
        write(mapped[1], "", 1);
        _exit(0);
    }
    need("unshare", unshare(CLONE_NEWUSER));
    write(made[1], "", 1);
    if (read(mapped[0], &byte, 1) != 1) need("map the users", -1);
    waitpid(child, NULL, 0);
    put("/proc/sys/user/max_user_namespaces", "0\n");
}

static void take_away(char *layers) {
    for (char *layer = strtok(layers, ","); layer; layer = strtok(NULL, ",")) {
        if (!strncmp(layer, "landlock=", 9)) abi = atoi(layer + 9);
        else if (!strcmp(layer, "mount_setattr")) no_mount_setattr = 1;
        else if (!strcmp(layer, "remount")) no_remount = 1;
        else if (!strcmp(layer, "container")) in_container = 1;
        else if (!strcmp(layer, "userns")) take_away_user_namespaces();
        else take_away_mounts(layer);
    }
}

/* What an ABI's landlock_create_ruleset(2) says of a ruleset. */
static int answer(const struct seccomp_data *call, pid_t pid, int64_t *value) {
    uint64_t attr[3] = {0}, known[] = {0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff, 0xffff};
    size_t size = abi < 4 ? 8 : abi < 6 ? 16 : 24;
    if (abi == 0) return -EOPNOTSUPP;
    if (call->args[2] & 1) {
        *value = abi;
        return 0;
    }
    if (call->args[1] > size) return -E2BIG;
    struct iovec here = {attr, call->args[1]}, there = {(void *)call->args[0], call->args[1]};
    if (process_vm_readv(pid, &here, 1, &there, 1, 0) < 0) return -EFAULT;
    if (attr[0] & ~known[abi - 1]) return -EINVAL;
    return 1;
}

static void serve(int fd) {
    struct seccomp_notif call;
    struct seccomp_notif_resp resp;
    struct pollfd wait = {fd, POLLIN, 0};
    while (poll(&wait, 1, -1) >= 0 || errno == EINTR) {
        if (wait.revents & POLLHUP) return;
        memset(&call, 0, sizeof call);
        if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) continue;
        memset(&resp, 0, sizeof resp);
        resp.id = call.id;
        int said = answer(&call.data, call.pid, (int64_t *)&resp.val);
        if (said == 1) resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        if (said < 0) resp.error = said;
        ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &resp);
    }
}

/* Refuses calls from here on; returns the listener, or 0 where none is needed. */
static int filter(void) {
    uint32_t landlock = abi < 0 ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF;
    uint32_t mounts = no_mount_setattr ? SECCOMP_RET_ERRNO | ENOSYS : SECCOMP_RET_ALLOW;
    /* Error 0: done, says the kernel. */
    uint32_t remounts = no_remount ? SECCOMP_RET_ERRNO : SECCOMP_RET_ALLOW;
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, landlock),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount_setattr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, mounts),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MS_REMOUNT, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, remounts),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        /* What follows is for containers: else to the last. */
        BPF_STMT(BPF_JMP | BPF_JA, in_container ? 0 : 10),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount_setattr, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setns, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x7E020000, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog all = {sizeof program / sizeof *program, program};
    long flags = abi < 0 ? 0 : SECCOMP_FILTER_FLAG_NEW_LISTENER;
    if (abi < 0 && !no_mount_setattr && !no_remount && !in_container) return 0;
    need("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &all);
    need("seccomp", fd);
    return fd;
}

static int force_program(void *words) {
    char **argv = words;
    *listener = filter();
    /* The listener closes itself in the program's own table. */
    execvp(argv[0], argv);
    error(argv[0]);
    _exit(99);
}

static void force(int argc, char **argv) {
    static char stack[1 << 18] __attribute__((aligned(16)));
    int status, fd;
    if (argc < 2) exit(2);
    alarm(120);
    take_away(argv[0]);
    listener = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *listener = -1;
    int child = clone(force_program, stack + sizeof stack, CLONE_FILES | SIGCHLD, argv + 1);
    need("clone", child);
    while ((fd = *listener) < 0 && !waitpid(child, &status, WNOHANG)) usleep(1000);
    if (fd > 0) serve(fd);
    if (waitpid(child, &status, 0) < 0) exit(99);
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

const struct probe_case forced_cases[] = {{"force", force}, {0}};
