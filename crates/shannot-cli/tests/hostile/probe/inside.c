/* What a program finds of itself in the box: descriptors, capabilities, signals, terminal. */
#include "probe.h"
#include <dirent.h>
#include <sys/sysmacros.h>

/* Every descriptor and what it is. */
static void descriptors(int argc, char **argv) {
    (void)argc, (void)argv;
    for (int fd = 0; fd < 4096; fd++) {
        struct stat s;
        char name[32], target[256], path[64];
        if (fstat(fd, &s)) continue;
        snprintf(name, sizeof name, "fd-%d", fd);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, target, sizeof target - 1);
        target[n > 0 ? n : 0] = 0;
        fact(name, "%s %s", S_ISFIFO(s.st_mode) ? "pipe" : "other", target);
    }
}

static void status(int argc, char **argv) {
    static char text[1 << 14];
    (void)argc, (void)argv;
    if (slurp("/proc/self/status", text, sizeof text) < 0) return error("status");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *colon = strchr(line, ':');
        if (!colon) continue;
        *colon = 0;
        const char *value = colon + 1 + strspn(colon + 1, " \t");
        printf("fact: %s=%s\n", line, value);
    }
    for (int n = 0; n < 16; n++) {
        struct rlimit limit;
        char name[16];
        if (prlimit(0, n, NULL, &limit)) continue;
        snprintf(name, sizeof name, "rlimit-%d", n);
        fact(name, "%ld %ld", (long)limit.rlim_cur, (long)limit.rlim_max);
    }
    fact("securebits", "%d", prctl(PR_GET_SECUREBITS));
    fact("session", "%d", getsid(0) == getppid() || getsid(0) == getpid() || getsid(0) == 1);
    int odd = 0;
    for (int n = 1; n < 65; n++) {
        struct sigaction action;
        if (!sigaction(n, NULL, &action) && action.sa_handler != SIG_DFL) odd++;
    }
    sigset_t blocked;
    sigemptyset(&blocked);
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int n = 1; n < 65; n++) odd += sigismember(&blocked, n) == 1;
    fact("odd-signals", "%d", odd);
}

/* The controlling terminal, as a device number; 0 for none. */
static int controlling_terminal(void) {
    char text[1024];
    int device = -1;
    if (slurp("/proc/self/stat", text, sizeof text) < 0) return -1;
    char *name = strrchr(text, ')');
    if (!name || sscanf(name, ") %*c %*d %*d %*d %d", &device) != 1) return -1;
    return device;
}

/* PTS: the path of a terminal of the caller's, and the caller's controlling one. */
static void terminal(int argc, char **argv) {
    fact("controlling", "%d", controlling_terminal());
    for (int fd = 0; fd < 3; fd++) {
        char what[32];
        snprintf(what, sizeof what, "TIOCSTI on %d", fd);
        attempt(what, ioctl(fd, TIOCSTI, "x"));
        attempt("TIOCSTI with high bits", syscall(SYS_ioctl, fd, TIOCSTI | 1UL << 32, "x"));
        attempt("TIOCSTI with other high bits", syscall(SYS_ioctl, fd, TIOCSTI | 1UL << 63, "x"));
        attempt("TIOCLINUX", ioctl(fd, TIOCLINUX, "\x03"));
        int discipline = 0;
        attempt("TIOCSETD", ioctl(fd, TIOCSETD, &discipline));
        attempt("TIOCSCTTY", ioctl(fd, TIOCSCTTY, 1));
        /* Outside, it ends the session. */
        attempt("TIOCNOTTY", is_control() ? 0 : ioctl(fd, TIOCNOTTY));
        attempt("isatty", isatty(fd) ? 0 : -1);
    }
    attempt("/dev/tty", open("/dev/tty", O_RDWR | O_NOCTTY));
    for (int i = 0; i < argc; i++) {
        int fd = open(argv[i], O_WRONLY | O_NOCTTY);
        attempt("open the terminal for writing", fd);
        attempt("open the terminal for reading", open(argv[i], O_RDONLY | O_NOCTTY));
        fd = open(argv[i], O_PATH | O_NOCTTY);
        char through[64];
        snprintf(through, sizeof through, "/proc/self/fd/%d", fd);
        attempt("reopen the terminal", open(through, O_RDWR | O_NOCTTY));
    }
}

/* The pipes of this run by another way: none may lead to more than they are. */
static void own_pipes(int argc, char **argv) {
    (void)argc, (void)argv;
    attempt("F_SETPIPE_SZ", fcntl(1, F_SETPIPE_SZ, 1 << 20));
    attempt("F_SETOWN", fcntl(1, F_SETOWN, getppid()));
    attempt("F_SETSIG", fcntl(1, F_SETSIG, SIGKILL));
    int on = 1;
    attempt("FIOASYNC", ioctl(1, FIOASYNC, &on));
    attempt("fchmod", fchmod(1, 0777));
    attempt("chmod", chmod("/proc/self/fd/1", 0777));
}

/* DIR: where to go before, outside. Whether this directory is the root. */
static void here(int argc, char **argv) {
    struct stat dot, root;
    if (argc > 0 && chdir(argv[0])) return error("chdir");
    if (stat(".", &dot) || stat("/", &root)) return error("stat");
    int same = dot.st_dev == root.st_dev && dot.st_ino == root.st_ino;
    fact("here", "%s", same ? "the root" : "elsewhere");
}

const struct probe_case inside_cases[] = {
    {"here", here},
    {"descriptors", descriptors}, {"status", status}, {"terminal", terminal},
    {"own-pipes", own_pipes},     {0},
};
