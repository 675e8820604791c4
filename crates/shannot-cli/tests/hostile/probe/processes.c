/* Other processes: signals, tracing, memory, priorities. */
#include "probe.h"
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/resource.h>

#define SYS_PIDFD_SEND_SIGNAL 424
#define SYS_PIDFD_OPEN 434
#define SYS_PIDFD_GETFD 438
#define SYS_PROCESS_MADVISE 440
#define SYS_PROCESS_MRELEASE 448

static char where[32];

/* The victims, by pid as the host counts them. */
static void signals(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        int pid = atoi(told(argv[i]));
        snprintf(where, sizeof where, "%d", i);
        siginfo_t info = {.si_code = SI_QUEUE, .si_pid = getpid(), .si_uid = getuid()};
        int signal = is_control() ? SIGCONT : SIGKILL;
        info.si_signo = signal;
        attempt_at("kill", where, kill(pid, signal));
        attempt_at("kill 0", where, kill(pid, 0));
        attempt_at("kill group", where, is_control() ? 0 : kill(-pid, signal));
        attempt_at("tkill", where, syscall(SYS_tkill, pid, signal));
        attempt_at("tgkill", where, syscall(SYS_tgkill, pid, pid, signal));
        attempt_at("rt_sigqueueinfo", where, syscall(SYS_rt_sigqueueinfo, pid, signal, &info));
        attempt_at("rt_tgsigqueueinfo", where,
                   syscall(SYS_rt_tgsigqueueinfo, pid, pid, signal, &info));
        int fd = syscall(SYS_PIDFD_OPEN, pid, 0);
        attempt_at("pidfd_open", where, fd);
        attempt_at("pidfd_send_signal", where,
                   syscall(SYS_PIDFD_SEND_SIGNAL, fd, signal, NULL, 0));
        char path[64];
        snprintf(path, sizeof path, "/proc/%d", pid);
        fd = open(path, O_RDONLY | O_DIRECTORY);
        attempt_at("pidfd_send_signal by /proc", where,
                   syscall(SYS_PIDFD_SEND_SIGNAL, fd, signal, NULL, 0));
        attempt_at("kill by int 0x80", where, int80(37, pid, signal, 0, 0, 0) < 0 ? -1 : 0);
        attempt_at("setpriority", where, setpriority(PRIO_PROCESS, pid, 5));
        struct sched_param parameter = {0};
        attempt_at("sched_setscheduler", where, sched_setscheduler(pid, SCHED_BATCH, &parameter));
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(0, &set);
        attempt_at("sched_setaffinity", where, sched_setaffinity(pid, sizeof set, &set));
        attempt_at("sched_setparam", where, sched_setparam(pid, &parameter));
        struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t rest[7]; }
            attributes = {48, SCHED_BATCH, 0, 19, {0}};
        attempt_at("sched_setattr", where, syscall(SYS_sched_setattr, pid, &attributes, 0));
        attempt_at("ioprio_set", where, syscall(SYS_ioprio_set, 1, pid, 3 << 13));
        struct rlimit limit = {4096, 4096};
        attempt_at("prlimit", where, prlimit(pid, RLIMIT_CORE, &limit, NULL));
    }
}

/* To everything that can be reached: only ever run in the box, by a user without other rights. */
static void signal_all(int argc, char **argv) {
    (void)argc, (void)argv;
    signal(SIGTERM, SIG_IGN);
    fact("kill-all", "%d", kill(-1, SIGTERM));
    fact("kill-group", "%d", kill(0, SIGTERM));
}

/* At the same address in each process of this program: a victim may be one. */
static char page[4096] __attribute__((aligned(4096))) = "untouched";

/* A victim for `trace`; at the end of its stdin it says what became of its memory. */
static void stand(int argc, char **argv) {
    (void)argc, (void)argv;
    prctl(PR_SET_PTRACER, -1, 0, 0, 0);
    wait_for_harness("ready");
    fact("page", "%s", page);
}

/* Each victim is asked for what a tracer could have. */
static void trace(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        int pid = atoi(told(argv[i])), status;
        snprintf(where, sizeof where, "%d", i);
        static char buffer[16];
        struct iovec own = {buffer, sizeof buffer}, other = {page, sizeof page};
        attempt_at("process_vm_readv", where, process_vm_readv(pid, &own, 1, &other, 1, 0));
        strcpy(buffer, "touched");
        attempt_at("process_vm_writev", where, process_vm_writev(pid, &own, 1, &other, 1, 0));
        int fd = syscall(SYS_PIDFD_OPEN, pid, 0);
        attempt_at("pidfd_open", where, fd);
        attempt_at("pidfd_getfd", where, syscall(SYS_PIDFD_GETFD, fd, 0, 0));
        attempt_at("process_madvise", where,
                   syscall(SYS_PROCESS_MADVISE, fd, &other, 1, 20 /* MADV_COLD */, 0));
        long released = syscall(SYS_PROCESS_MRELEASE, fd, 0);
        /* It is for the dying. */
        attempt_at("process_mrelease", where, released < 0 && errno == EINVAL ? 0 : released);
        attempt_at("kcmp", where, syscall(SYS_kcmp, getpid(), pid, 1, 0, 0));
        long attached = ptrace(PTRACE_ATTACH, pid, 0, 0);
        attempt_at("ptrace attach", where, attached);
        if (attached == 0) {
            waitpid(pid, &status, __WALL);
            ptrace(PTRACE_DETACH, pid, 0, 0);
        }
        attached = ptrace(PTRACE_SEIZE, pid, 0, 0);
        attempt_at("ptrace seize", where, attached);
        if (attached == 0) {
            ptrace(PTRACE_INTERRUPT, pid, 0, 0);
            waitpid(pid, &status, __WALL);
            ptrace(PTRACE_DETACH, pid, 0, 0);
        }
        attempt_at("move_pages", where, syscall(SYS_move_pages, pid, 0, 0, 0, 0, 0));
        uint64_t node = 1;
        attempt_at("migrate_pages", where, syscall(SYS_migrate_pages, pid, 8, &node, &node));
    }
    attempt("ptrace traceme", ptrace(PTRACE_TRACEME, 0, 0, 0));
}

/* What would let a process live on. */
static void outlive(int argc, char **argv) {
    (void)argc, (void)argv;
    attempt("setsid", is_control() ? 0 : setsid());
    attempt("PR_SET_PDEATHSIG", prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0));
    attempt("PR_SET_CHILD_SUBREAPER", prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    attempt("PR_SET_DUMPABLE", prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
    attempt("PR_SET_PTRACER", is_control() ? 0 : prctl(0x59616d61, -1, 0, 0, 0));
    attempt("PR_SET_KEEPCAPS", prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    attempt("PR_SET_TIMERSLACK", prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0));
    pid_t pid = is_control() ? 0 : fork();
    if (!is_control()) attempt("fork", pid);
    if (pid == 0 && !is_control()) _exit(0);
}

/* Two futexes of the host's in a file that the box can read: FILE. A requeue takes a waiter away
 * from the word that its waker will wake. */
static void futex_requeue(int argc, char **argv) {
    (void)argc;
    int fd = open(argv[0], O_RDONLY);
    uint32_t *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) return error("mmap");
    uint32_t *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    long moved = syscall(SYS_futex, shared, 3 /* FUTEX_REQUEUE */, 0, 1000L, own, 0);
    attempt("FUTEX_REQUEUE", moved);
    fact("moved", "%ld", moved);
    attempt("FUTEX_CMP_REQUEUE", syscall(SYS_futex, shared, 4, 0, 1000L, own, *shared));
    if (is_control()) return;
    attempt("FUTEX_WAIT_REQUEUE_PI", syscall(SYS_futex, shared, 11, 0, 0, own, 0));
    attempt("FUTEX_CMP_REQUEUE_PI", syscall(SYS_futex, shared, 12, 1, 1000L, own, *shared));
    attempt("futex_requeue", syscall(456, shared, 0, 0, 0));
    attempt("futex_wait", syscall(455, shared, 0, 1, 2, NULL, 0));
}

/* Waits where the host's process waits, before it: a wake for one is ours, and its is lost. */
static void futex_steal(int argc, char **argv) {
    (void)argc;
    int fd = open(argv[0], O_RDONLY);
    uint32_t *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    printf("ready\n");
    fflush(stdout);
    struct timespec patience = {.tv_sec = 10};
    long got = syscall(SYS_futex, shared, 0 /* FUTEX_WAIT */, 0, &patience, NULL, 0);
    if (got < 0 && errno == ETIMEDOUT) got = -1;
    attempt("take a wake", got);
}

/* The host's side: waits at FILE's first word, woken by the other. */
static void futex_wait(int argc, char **argv) {
    (void)argc;
    int fd = open(argv[0], O_RDWR);
    uint32_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct timespec patience = {.tv_sec = 20};
    long woken = syscall(SYS_futex, shared, 0 /* FUTEX_WAIT */, 0, &patience, NULL, 0);
    fact("woken", "%d", woken == 0);
}

/* FILE and how many at the most. */
static void futex_wake(int argc, char **argv) {
    long most = argc > 1 ? atol(argv[1]) : 1000;
    int fd = open(argv[0], O_RDWR);
    uint32_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    fact("woke", "%ld", syscall(SYS_futex, shared, 1 /* FUTEX_WAKE */, most, NULL, NULL, 0));
}

const struct probe_case processes_cases[] = {
    {"signals", signals},
    {"signal-all", signal_all},
    {"trace", trace},
    {"stand", stand},
    {"outlive", outlive},
    {"futex-requeue", futex_requeue},
    {"futex-steal", futex_steal},
    {"futex-wait", futex_wait},
    {"futex-wake", futex_wake},
    {0},
};
