/* Mounts, roots and namespaces. */
#include "probe.h"
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/mount.h>

#define SYS_OPEN_TREE 428
#define SYS_MOVE_MOUNT 429
#define SYS_FSOPEN 430
#define SYS_FSCONFIG 431
#define SYS_FSMOUNT 432
#define SYS_FSPICK 433
#define SYS_MOUNT_SETATTR 442
#define SYS_OPEN_TREE_ATTR 467
#define SYS_LISTMOUNT 458
#define SYS_STATMOUNT 457

struct attributes { uint64_t set, clear, propagation, userns; };

/* DIR is a directory of the fixture. The control runs in a mount namespace of its own. */
static void mounts(int argc, char **argv) {
    (void)argc;
    const char *dir = argv[0];
    char *low = low_memory();
    if (is_control()) {
        if (unshare(CLONE_NEWNS)) error("unshare");
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) error("private");
        if (mount(dir, dir, NULL, MS_BIND, NULL)) error("bind");
    }
    attempt("mount tmpfs", mount("tmpfs", dir, "tmpfs", 0, NULL));
    attempt("bind", mount(dir, dir, NULL, MS_BIND, NULL));
    attempt("remount rw", mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND, NULL));
    attempt("remount / rw", is_control() ? 0 : mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
    attempt("remount super block rw", is_control() ? 0 : mount(NULL, "/", NULL, MS_REMOUNT, NULL));
    attempt("make shared", mount(NULL, dir, NULL, MS_SHARED, NULL));
    attempt("umount", umount2(dir, MNT_DETACH));
    attempt("umount by expiry", is_control() ? 0 : umount2("/proc", MNT_EXPIRE));
    struct attributes attr = {.clear = 1};
    attempt("mount_setattr", syscall(SYS_MOUNT_SETATTR, AT_FDCWD, dir, 0, &attr, sizeof attr));
    int tree = syscall(SYS_OPEN_TREE, AT_FDCWD, dir, 1 | O_CLOEXEC);
    attempt("open_tree", tree);
    attempt("open_tree without a copy", syscall(SYS_OPEN_TREE, AT_FDCWD, dir, O_CLOEXEC));
    attempt("open_tree_attr", syscall(SYS_OPEN_TREE_ATTR, AT_FDCWD, dir, 1, &attr, sizeof attr));
    int context = syscall(SYS_FSOPEN, "tmpfs", 0);
    attempt("fsopen", context);
    attempt("fsconfig", syscall(SYS_FSCONFIG, context, 6, NULL, NULL, 0));
    int fs = syscall(SYS_FSMOUNT, context, 0, 0);
    attempt("fsmount", fs);
    attempt("move_mount", syscall(SYS_MOVE_MOUNT, fs, "", AT_FDCWD, dir, 4));
    attempt("fspick", syscall(SYS_FSPICK, AT_FDCWD, dir, 0));
    attempt("chroot", chroot(is_control() ? "/" : dir));
    attempt("pivot_root", is_control() ? 0 : syscall(SYS_pivot_root, dir, dir));
    memcpy(low, dir, strlen(dir) + 1);
    memcpy(low + 8192, "tmpfs", 6);
    long p = (long)low;
    attempt_raw("mount by int 0x80", int80(21, p + 8192, p, p + 8192, 0, 0));
    attempt_raw("umount by int 0x80", int80(52, p, MNT_DETACH, 0, 0, 0));
    attempt("mount by x32", is_control() ? 0
            : syscall(SYS_mount | 0x40000000, "tmpfs", dir, "tmpfs", 0, NULL));
}

static int child(void *argument) {
    (void)argument;
    return 0;
}

static long clone_with(int flags) {
    static char stack[65536] __attribute__((aligned(16)));
    long pid = clone(child, stack + sizeof stack, flags | SIGCHLD, NULL);
    if (pid > 0) waitpid(pid, NULL, __WALL);
    return pid;
}

struct clone3_args { uint64_t v[11]; };

static long clone3_with(uint64_t flags) {
    struct clone3_args args = {{flags, 0, 0, 0, SIGCHLD}};
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) _exit(0);
    if (pid > 0) waitpid(pid, NULL, __WALL);
    return pid;
}

/* Each in a child where the control needs one: unshare changes the caller. */
static void unshare_in_child(const char *what, int flags) {
    if (!is_control()) {
        attempt(what, unshare(flags));
        return;
    }
    pid_t pid = fork();
    if (pid == 0) _exit(unshare(flags) == 0 ? 0 : errno);
    int status = 0;
    waitpid(pid, &status, 0);
    errno = WEXITSTATUS(status);
    attempt(what, WEXITSTATUS(status) ? -1 : 0);
}

static void namespaces(int argc, char **argv) {
    (void)argc, (void)argv;
    unshare_in_child("unshare user", CLONE_NEWUSER);
    unshare_in_child("unshare user and mount", CLONE_NEWUSER | CLONE_NEWNS);
    unshare_in_child("unshare user and net", CLONE_NEWUSER | CLONE_NEWNET);
    unshare_in_child("unshare user and time", CLONE_NEWUSER | 0x80);
    attempt("clone user", clone_with(CLONE_NEWUSER));
    attempt("clone user and pid", clone_with(CLONE_NEWUSER | CLONE_NEWPID));
    attempt("clone of the parent", is_control() ? 0 : clone_with(CLONE_PARENT));
    attempt("clone3 user", clone3_with(CLONE_NEWUSER));
    attempt("clone3", clone3_with(0));
    int own = open("/proc/self/ns/user", O_RDONLY);
    attempt("setns own user", is_control() ? 0 : setns(own, CLONE_NEWUSER));
    int mnt = open("/proc/self/ns/mnt", O_RDONLY);
    attempt("setns mount", is_control() ? 0 : setns(mnt, CLONE_NEWNS));
    attempt("setns by pid", is_control() ? 0 : setns(open("/proc/1/ns/mnt", O_RDONLY), 0));
    attempt_raw("unshare by int 0x80", is_control() ? 0 : int80(310, CLONE_NEWUSER, 0, 0, 0, 0));
}

static void mount_info(int argc, char **argv) {
    (void)argc, (void)argv;
    uint64_t request[4] = {sizeof request, UINT64_MAX, 0, 0}, ids[16];
    attempt("listmount", syscall(SYS_LISTMOUNT, request, ids, 16, 0));
    attempt("statmount", syscall(SYS_STATMOUNT, request, ids, sizeof ids, 0));
}

/* What statfs(2) says of the mounts on which these paths are. */
static void mount_flags(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        struct statfs found;
        char name[16];
        snprintf(name, sizeof name, "flags-%d", i);
        if (statfs(argv[i], &found)) error(argv[i]);
        else fact(name, "%s%s%s%s", found.f_flags & ST_RDONLY ? "ro" : "rw",
                  found.f_flags & ST_NOSUID ? " nosuid" : "", found.f_flags & ST_NODEV ? " nodev" : "",
                  found.f_flags & ST_NOEXEC ? " noexec" : "");
    }
}

const struct probe_case mounts_cases[] = {
    {"mount-flags", mount_flags}, {"mounts", mounts}, {"namespaces", namespaces}, {"mount-info", mount_info}, {0},
};
