/* /proc: writing to it, and looking into other processes through it. */
#include "probe.h"
#include <dirent.h>

/* What is in all of these must not change, and nothing is written: to open them is enough. What
 * belongs to the machine is root's outside. */
static void proc_write(int argc, char **argv) {
    static const char *files[] = {
        "/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches",
        "/proc/sys/kernel/randomize_va_space", "/proc/sysrq-trigger", "/proc/sys/net/ipv4/ip_forward",
        "/proc/self/oom_score_adj", "/proc/self/oom_adj", "/proc/self/comm",
        "/proc/self/coredump_filter", "/proc/self/timerslack_ns", "/proc/self/clear_refs",
        "/proc/self/uid_map", "/proc/self/setgroups", "/proc/self/attr/current", "/proc/self/mem",
        "/proc/self/autogroup", "/proc/self/loginuid", "/proc/self/sched", "/proc/self/task/self",
        "/proc/irq/default_smp_affinity", "/proc/mtrr", "/proc/timer_list", "/proc/kmsg",
        "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state",
        "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/cgroup.procs",
        "/sys/fs/cgroup/memory/tasks", "/sys/kernel/uevent_helper", "/sys/block/vda/uevent",
    };
    if (!is_control() || geteuid() == 0)
        for (size_t i = 0; i < sizeof files / sizeof *files; i++)
            if (access(files[i], F_OK) == 0)
                attempt_at("open for writing", files[i], open(files[i], O_WRONLY | O_NONBLOCK));
    for (int i = 0; i < argc; i++) {
        static const char *names[] = {"oom_score_adj", "clear_refs", "coredump_filter", "autogroup"};
        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            char path[128], what[64];
            snprintf(path, sizeof path, "/proc/%s/%s", argv[i], names[n]);
            snprintf(what, sizeof what, "%d %s", i, names[n]);
            attempt_at("open for writing", what, open(path, O_WRONLY));
        }
    }
}

/* Whether a directory tells the name of anything in it. */
static ssize_t first_entry(const char *path) {
    DIR *dir = opendir(path);
    if (!dir) return -1;
    struct dirent *entry;
    errno = 0;
    while ((entry = readdir(dir)) && entry->d_name[0] == '.') {}
    int e = errno ? errno : ENOENT;
    closedir(dir);
    errno = e;
    return entry ? 1 : -1;
}

/* PID... as /proc shows them; SECRET first, which must be found in nothing that can be read. */
static void proc_peek(int argc, char **argv) {
    static char buffer[1 << 16];
    static const char *files[] = {
        "environ", "mem", "maps", "smaps", "auxv", "syscall", "stack", "io", "pagemap",
        "numa_maps", "timers", "personality", "map_files",
    };
    static const char *links[] = {"exe", "cwd", "root", "fd/0", "fd/1", "fd/2", "ns/mnt"};
    for (int i = 1; i < argc; i++) {
        char path[128], what[64], target[256];
        const char *pid = told(argv[i]);
        for (size_t n = 0; n < sizeof files / sizeof *files; n++) {
            snprintf(path, sizeof path, "/proc/%s/%s", pid, files[n]);
            snprintf(what, sizeof what, "%d %s", i, files[n]);
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            /* `stack` is readable for root alone, wherever; `pagemap` hides its numbers. */
            ssize_t got = fd < 0 ? -1 : pread(fd, buffer, sizeof buffer, 0);
            if (!strcmp(files[n], "mem")) got = fd;
            if (!strcmp(files[n], "map_files")) got = first_entry(path);
            attempt_at("read", what, got > 0 ? got : -1);
            if (got > 0 && !strcmp(files[n], "environ") && memmem(buffer, got, argv[0], strlen(argv[0])))
                fact("found-secret", "%s", what);
            close(fd);
        }
        for (size_t n = 0; n < sizeof links / sizeof *links; n++) {
            snprintf(path, sizeof path, "/proc/%s/%s", pid, links[n]);
            snprintf(what, sizeof what, "%d %s", i, links[n]);
            attempt_at("follow", what, readlink(path, target, sizeof target));
        }
        snprintf(path, sizeof path, "/proc/%s/root/etc", pid);
        snprintf(what, sizeof what, "%d root/etc", i);
        attempt_at("open", what, open(path, O_RDONLY | O_DIRECTORY));
    }
}

static const char *secret;
static int leaks;

static void search(const char *path) {
    static char buffer[1 << 20];
    ssize_t got = slurp(path, buffer, sizeof buffer);
    if (got > 0 && memmem(buffer, got, secret, strlen(secret))) {
        leaks++;
        attempt_at("secret", path, 0);
    }
}

/* SECRET is in the environment of the supervisor and of the caller: nowhere may it show. */
static void proc_search(int argc, char **argv) {
    (void)argc;
    /* Not in our own words, which hold it: so in two halves. */
    static char joined[256];
    snprintf(joined, sizeof joined, "%s%s", argv[0], argv[1]);
    secret = joined;
    for (char **variable = environ; *variable; variable++) {
        char *equals = strchr(*variable, '=');
        printf("fact: env-%.*s=%s\n", (int)(equals - *variable), *variable, equals + 1);
        if (strstr(*variable, secret)) attempt("own environment", 0);
    }
    DIR *proc = opendir("/proc");
    if (!proc) return error("/proc");
    int seen = 0;
    for (struct dirent *entry; (entry = readdir(proc));) {
        static const char *names[] = {"environ", "cmdline", "task/%s/environ", "root/proc/%s/environ"};
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
        seen++;
        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            char path[640], name[320];
            snprintf(name, sizeof name, names[n], entry->d_name);
            snprintf(path, sizeof path, "/proc/%s/%s", entry->d_name, name);
            if (atoi(entry->d_name) != getpid()) search(path);
        }
    }
    fact("processes", "%d", seen);
    if (!leaks) {
        errno = EACCES;
        attempt("find the secret", -1);
    }
}

/* Which processes show: for two runs side by side. */
static void proc_list(int argc, char **argv) {
    (void)argc, (void)argv;
    int count = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc && (entry = readdir(proc));)
        count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
    fact("processes", "%d", count);
}

const struct probe_case proc_cases[] = {
    {"proc-write", proc_write}, {"proc-peek", proc_peek}, {"proc-search", proc_search},
    {"proc-list", proc_list},   {0},
};
