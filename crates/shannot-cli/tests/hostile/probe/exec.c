/* Starting other programs. */
#include "probe.h"
#include <spawn.h>
#include <grp.h>

/* An exec that works replaces this process, so each is tried in a child where there can be one;
 * the program it starts says so by its exit status, 42. */
static char *const words[] = {"sh", "-c", "exit 42", NULL};
static char *const none[] = {NULL};

static int started(pid_t pid) {
    int status = 0;
    if (pid < 0) return -1;
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 42) return 0;
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    return -1;
}

#define TRY(what, call)                                              \
    do {                                                             \
        pid_t pid = is_control() ? fork() : 0;                       \
        if (pid == 0) {                                              \
            long r = (call);                                         \
            if (is_control()) _exit(errno);                          \
            attempt(what, r);                                        \
        } else                                                       \
            attempt(what, started(pid));                             \
    } while (0)

#define EXECVEAT(fd, path, flags, sixth) \
    syscall(SYS_execveat, (long)(fd), path, words, none, (long)(flags), (long)(sixth))

static int program_from(const char *path, int to) {
    static char buffer[1 << 16];
    int from = open(path, O_RDONLY);
    for (ssize_t n; to >= 0 && (n = read(from, buffer, sizeof buffer)) > 0;)
        if (write(to, buffer, n) != n) return -1;
    close(from);
    return to;
}

/* LOADER: the dynamic loader of this host. */
static void exec_again(int argc, char **argv) {
    TRY("execve", execve("/bin/sh", words, none));
    TRY("execve of itself", is_control() ? execve("/bin/sh", words, none)
                                         : execve("/proc/self/exe", words, none));
    int sh = open("/bin/sh", O_RDONLY), path = open("/bin/sh", O_PATH);
    TRY("fexecve", EXECVEAT(sh, "", AT_EMPTY_PATH, 0));
    TRY("fexecve of O_PATH", EXECVEAT(path, "", AT_EMPTY_PATH, 0));
    TRY("execveat absolute", EXECVEAT(AT_FDCWD, "/bin/sh", 0, 0));
    TRY("execveat absolute with the old number", EXECVEAT(1000, "/bin/sh", 0, 0));
    TRY("execveat absolute, empty path allowed", EXECVEAT(1000, "/bin/sh", AT_EMPTY_PATH, 0));
    TRY("execveat with high bits", EXECVEAT(1000L | 1L << 32, "/bin/sh", AT_EMPTY_PATH, -1));
    if (argc > 0) {
        char *const loaded[] = {argv[0], "/bin/sh", "-c", "exit 42", NULL};
        TRY("loader", execve(argv[0], loaded, none));
    }
    int memory = program_from("/bin/sh", syscall(SYS_memfd_create, "x", 0));
    attempt("memfd_create", memory);
    TRY("memfd", EXECVEAT(memory, "", AT_EMPTY_PATH, 0));
    attempt("memfd_secret", is_control() ? 0 : syscall(SYS_memfd_secret, 0));
    pid_t pid;
    int e = posix_spawn(&pid, "/bin/sh", NULL, NULL, words, none);
    errno = e;
    attempt("posix_spawn", e ? -1 : started(pid));
    if (is_control()) return;
    struct rlimit limit = {1 << 16, 1 << 16};
    attempt("raise RLIMIT_NOFILE", setrlimit(RLIMIT_NOFILE, &limit));
    attempt("descriptor 1000", dup2(sh, 1000));
    attempt("descriptor 1000 by F_DUPFD", fcntl(sh, F_DUPFD, 1000));
    attempt("execveat 1000", EXECVEAT(1000, "", AT_EMPTY_PATH, 0));
    uint64_t random = 88172645463325252ULL;
    for (int i = 0; i < 100000; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        if (EXECVEAT(1000, "/bin/sh", AT_EMPTY_PATH, random) == 0) break;
    }
    errno = EACCES;
    attempt("random tickets", -1);
    char *low = low_memory();
    strcpy(low, "/bin/sh");
    attempt_raw("execve by int 0x80", int80(11, (long)low, 0, 0, 0, 0));
    attempt_raw("execveat by int 0x80", int80(358, 1000, (long)low, 0, 0, 0x1000));
    attempt("execve by x32", syscall(520 | 0x40000000, "/bin/sh", words, none));
    pid = syscall(SYS_fork);
    if (pid == 0) _exit(0);
    attempt("fork", pid);
    pid = vfork();
    if (pid == 0) _exit(0);
    attempt("vfork", pid);
}

/* A script and a program put into scratch: DIR. */
static void exec_scratch(int argc, char **argv) {
    (void)argc;
    char script[256], program[256];
    snprintf(script, sizeof script, "%s/script", argv[0]);
    snprintf(program, sizeof program, "%s/program", argv[0]);
    int fd = open(script, O_CREAT | O_WRONLY, 0777);
    if (fd < 0 || write(fd, "#!/bin/sh\nexit 42\n", 18) != 18) error("script");
    close(fd);
    fd = program_from("/bin/sh", open(program, O_CREAT | O_RDWR, 0777));
    TRY("script", execve(script, words, none));
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    attempt("map a program", mapped == MAP_FAILED ? -1 : 0);
    munmap(mapped, 4096);
    close(fd);
    TRY("program", execve(program, words, none));
}

/* With `spawns`: what is not listed stays closed. */
static void exec_listed(int argc, char **argv) {
    int listed = 0;
    for (int i = 0; i < argc; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char *const own[] = {argv[i], "exec-nothing", NULL};
            execve(argv[i], own, none);
            _exit(errno);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        char name[32];
        snprintf(name, sizeof name, "exec-%d", i);
        fact(name, "%s", WEXITSTATUS(status) ? strerrorname_np(WEXITSTATUS(status)) : "ran");
        listed++;
    }
    int memory = program_from("/bin/true", syscall(SYS_memfd_create, "x", 0));
    attempt("memfd_create", memory);
}

static void nothing(int argc, char **argv) { (void)argc, (void)argv; }

/* Set-uid: who we are when started as a set-uid root copy. */
static void identity(int argc, char **argv) {
    (void)argc, (void)argv;
    uid_t r, e, s;
    getresuid(&r, &e, &s);
    fact("uids", "%d %d %d", r, e, s);
    attempt("setuid 0", setuid(0));
    attempt("setresuid 0", setresuid(0, 0, 0));
    attempt("setgid 0", setgid(0));
    attempt("setgroups", setgroups(0, NULL));
    attempt("setfsuid", syscall(SYS_setfsuid, 0) == 0 && !is_control() ? 0 : is_control() ? 0 : -1);
    int fd = open("/etc/shadow", O_RDONLY);
    attempt("/etc/shadow", fd < 0 ? -1 : read(fd, &r, 1) == 1 ? 0 : (errno = ENODATA, -1));
}

const struct probe_case exec_cases[] = {
    {"exec", exec_again},    {"exec-scratch", exec_scratch}, {"exec-listed", exec_listed},
    {"exec-nothing", nothing}, {"identity", identity},       {0},
};
