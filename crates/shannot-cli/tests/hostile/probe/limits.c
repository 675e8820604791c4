/* Using up what the host has. Each is bounded by itself too, so that a box that does not hold
 * takes the test down and not the machine. */
#include "probe.h"
#include <pthread.h>

static void stay(void) {
    for (;;) pause();
}

/* N: how many processes at the most. */
static void fork_many(int argc, char **argv) {
    (void)argc;
    int made = 0, most = atoi(argv[0]);
    while (made < most) {
        pid_t pid = fork();
        if (pid == 0) stay();
        if (pid < 0) break;
        made++;
    }
    fact("made", "%d", made);
}

static void *wait_in_thread(void *argument) {
    stay();
    return argument;
}

static void thread_many(int argc, char **argv) {
    (void)argc;
    int made = 0, most = atoi(argv[0]);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 16384);
    for (pthread_t t; made < most && !pthread_create(&t, &attr, wait_in_thread, NULL);) made++;
    fact("made", "%d", made);
    /* A supervisor that counts from time to time must get its chance. */
    sleep(2);
}

/* MIB of memory, touched. */
static long touch(long mib) {
    long got = 0;
    for (; got < mib; got += 16) {
        char *p = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) break;
        memset(p, 1, 16 << 20);
    }
    return got;
}

static void memory(int argc, char **argv) {
    (void)argc;
    long got = touch(atol(argv[0]));
    sleep(2);
    fact("mib", "%ld", got);
}

static long child_mib;

static void *fork_from_thread(void *argument) {
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            touch(child_mib);
            stay();
        }
    stay();
    return argument;
}

/* Eight children of a thread that is not the main one, MIB each. */
static void memory_of_thread(int argc, char **argv) {
    (void)argc;
    pthread_t t;
    child_mib = atol(argv[0]);
    if (pthread_create(&t, NULL, fork_from_thread, NULL)) return error("thread");
    sleep(4);
    fact("survived", "1");
}

static void spin(int argc, char **argv) {
    (void)argc, (void)argv;
    for (volatile unsigned long n = 0;; n++) {}
}

/* A polite limit may be refused; the hard one may not. */
static void spin_on(int argc, char **argv) {
    signal(SIGXCPU, SIG_IGN);
    spin(argc, argv);
}

static void open_many(int argc, char **argv) {
    (void)argc, (void)argv;
    int made = 0;
    while (made < 1000000 && open("/dev/null", O_RDONLY) >= 0) made++;
    fact("made", "%d", made);
}

static void flood(int argc, char **argv) {
    static char block[1 << 16];
    (void)argc, (void)argv;
    memset(block, 'x', sizeof block);
    while (write(1, block, sizeof block) > 0) {}
}

static void crash(int argc, char **argv) {
    (void)argc, (void)argv;
    abort();
}

/* At a limit of 0 the kernel still starts a handler behind a pipe. */
static void crash_undumped(int argc, char **argv) {
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none)) return error("setrlimit");
    crash(argc, argv);
}

static __attribute__((noinline)) int deep(volatile char *above) {
    volatile char frame[4096];
    frame[0] = above[0];
    return deep(frame) + frame[1];
}

static void recurse(int argc, char **argv) {
    (void)argc, (void)argv;
    char start = 0;
    _exit(deep(&start));
}

static void timers(int argc, char **argv) {
    (void)argc, (void)argv;
    int made = 0;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    for (timer_t t; made < 20000 && !timer_create(CLOCK_MONOTONIC, &event, &t);) made++;
    fact("made", "%d", made);
}

/* A daemon: two forks, no signals, no output, its own process group. MARK is its last word. */
static void daemonize(int argc, char **argv) {
    (void)argc, (void)argv;
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            for (int n = 1; n < 65; n++) signal(n, SIG_IGN);
            for (int fd = 0; fd < 3; fd++) close(fd);
            for (;;) sleep(1);
        }
        _exit(0);
    }
    wait(NULL);
    fact("daemon", "1");
}

/* The same, and the parent stays. */
static void daemonize_and_stay(int argc, char **argv) {
    daemonize(argc, argv);
    stay();
}

static void sleep_long(int argc, char **argv) {
    (void)argc, (void)argv;
    for (int n = 1; n < 65; n++) signal(n, SIG_IGN);
    printf("ready\n");
    fflush(stdout);
    if (argc > 0) close(1), close(2);
    for (;;) sleep(1);
}

const struct probe_case limits_cases[] = {
    {"fork-many", fork_many},
    {"thread-many", thread_many},
    {"memory", memory},
    {"memory-of-thread", memory_of_thread},
    {"spin", spin},
    {"spin-on", spin_on},
    {"open-many", open_many},
    {"flood", flood},
    {"crash", crash},
    {"crash-undumped", crash_undumped},
    {"recurse", recurse},
    {"timers", timers},
    {"daemonize", daemonize},
    {"daemonize-and-stay", daemonize_and_stay},
    {"sleep-long", sleep_long},
    {0},
};
