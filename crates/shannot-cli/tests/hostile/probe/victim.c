/* A process of the host's that has one of everything: it must get nothing of what a box does. */
#include "probe.h"
#include <netinet/in.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>

enum { USER_KEYRING = -4, KEYCTL_UNLINK = 9, KEYCTL_READ = 11 };

/* What a byte or a connection could come in by. */
static struct { const char *name; int fd; } doors[8];
static int door_count;
static int shared_memory, semaphore, queue, key, signals;
static char *shared;
static int received[65];

static int door(const char *name, int fd) {
    if (fd < 0) error(name);
    doors[door_count].name = name;
    doors[door_count++].fd = fd;
    return fd;
}

static void listen_at(const char *name, int type, const char *path, int is_abstract) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = door(name, socket(AF_UNIX, type, 0));
    strncpy(address.sun_path + is_abstract, path, sizeof address.sun_path - 2);
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
    if (bind(fd, (void *)&address, size)) error(path);
    if (!is_abstract) chmod(path, 0777);
    if (type == SOCK_STREAM) listen(fd, 8);
}

static void listen_on_loopback(const char *name, int type) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = door(name, socket(AF_INET, type, 0));
    if (bind(fd, (void *)&address, size)) error(name);
    if (type == SOCK_STREAM) listen(fd, 8);
    getsockname(fd, (void *)&address, &size);
    fact(name, "%d", ntohs(address.sin_port));
}

static void take_locks(const char *dir) {
    char path[4096];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(path, sizeof path, "%s/flocked", dir);
    if (flock(open(path, O_RDWR), LOCK_EX | LOCK_NB)) error(path);
    snprintf(path, sizeof path, "%s/locked", dir);
    if (fcntl(open(path, O_RDWR), F_SETLK, &lock)) error(path);
}

static void make_objects(const char *mark) {
    struct { long type; char text[4]; } message = {1, "kept"};
    shared_memory = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0666);
    shared = shmat(shared_memory, NULL, 0);
    strcpy(shared, "kept");
    semaphore = semget(IPC_PRIVATE, 1, IPC_CREAT | 0666);
    semctl(semaphore, 0, SETVAL, 7);
    queue = msgget(IPC_PRIVATE, IPC_CREAT | 0666);
    if (msgsnd(queue, &message, sizeof message.text, 0)) error("msgsnd");
    key = syscall(SYS_add_key, "user", mark, "kept", 4, USER_KEYRING);
    fact("shm", "%d", shared_memory);
    fact("sem", "%d", semaphore);
    fact("msg", "%d", queue);
    fact("key", "%d", key);
}

/* What only the process itself can tell; the rest is in /proc. */
static void tell(void) {
    char text[16] = {0};
    struct signalfd_siginfo info;
    cpu_set_t cpus;
    while (read(signals, &info, sizeof info) > 0) received[info.ssi_signo]++;
    for (int n = 1; n < 65; n++)
        if (received[n]) printf("fact: signal-%d=%d\n", n, received[n]);
    for (int i = 0; i < door_count; i++) {
        struct pollfd one = {.fd = doors[i].fd, .events = POLLIN};
        char name[32];
        poll(&one, 1, 0);
        snprintf(name, sizeof name, "got-%s", doors[i].name);
        fact(name, "%x", one.revents);
    }
    fact("memory", "%.8s", shared);
    fact("semaphore", "%d", semctl(semaphore, 0, GETVAL));
    syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text - 1);
    fact("payload", "%s", text);
    sched_getaffinity(0, sizeof cpus, &cpus);
    fact("scheduling", "nice %d, io %ld, policy %d, %d processors", getpriority(PRIO_PROCESS, 0),
         syscall(SYS_ioprio_get, 1, 0), sched_getscheduler(0), CPU_COUNT(&cpus));
    fact("process", "dumpable %d, slack %d", prctl(PR_GET_DUMPABLE), prctl(PR_GET_TIMERSLACK));
    printf("ready\n");
    fflush(stdout);
}

/* MARK DIR, a directory with two files to lock and a FIFO. Answers every line on stdin. */
static void victim(int argc, char **argv) {
    char path[4096], byte;
    sigset_t all;
    (void)argc;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    signals = signalfd(-1, &all, SFD_NONBLOCK | SFD_CLOEXEC);
    fact("pid", "%d", getpid());
    snprintf(path, sizeof path, "%s/stream", argv[1]);
    listen_at("stream", SOCK_STREAM, path, 0);
    snprintf(path, sizeof path, "%s/datagram", argv[1]);
    listen_at("datagram", SOCK_DGRAM, path, 0);
    listen_at("abstract", SOCK_STREAM, argv[0], 1);
    snprintf(path, sizeof path, "%s-datagram", argv[0]);
    listen_at("abstract-datagram", SOCK_DGRAM, path, 1);
    listen_on_loopback("tcp", SOCK_STREAM);
    listen_on_loopback("udp", SOCK_DGRAM);
    snprintf(path, sizeof path, "%s/fifo", argv[1]);
    door("fifo", open(path, O_RDWR | O_NONBLOCK));
    take_locks(argv[1]);
    make_objects(argv[0]);
    do tell();
    while (read(0, &byte, 1) > 0);
    shmctl(shared_memory, IPC_RMID, NULL);
    semctl(semaphore, 0, IPC_RMID);
    msgctl(queue, IPC_RMID, NULL);
    syscall(SYS_keyctl, KEYCTL_UNLINK, key, USER_KEYRING);
}

/* MARK: a key that stays. */
static void leave_key(int argc, char **argv) {
    (void)argc;
    attempt("add_key", syscall(SYS_add_key, "user", argv[0], "left", 4, USER_KEYRING));
}

/* MARK: takes it away again. */
static void take_key(int argc, char **argv) {
    (void)argc;
    long found = syscall(SYS_keyctl, 10 /* SEARCH */, USER_KEYRING, "user", argv[0], 0);
    attempt("unlink key", syscall(SYS_keyctl, KEYCTL_UNLINK, found, USER_KEYRING));
}

const struct probe_case victim_cases[] = {
    {"victim", victim}, {"leave-key", leave_key}, {"take-key", take_key}, {0},
};
