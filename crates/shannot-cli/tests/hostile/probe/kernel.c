/* The kernel's other doors, and the machine itself. */
#include "probe.h"
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/fanotify.h>
#include <mqueue.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/klog.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/swap.h>
#include <sys/timex.h>
#include <sys/io.h>

/* What any user may do outside. FILE is one that everyone may read. */
static void kernel(int argc, char **argv) {
    (void)argc;
    char params[256] = {0};
    attempt("io_uring_setup", syscall(SYS_io_uring_setup, 4, params));
    attempt("add_key", syscall(SYS_add_key, "user", "shannot-probe", "x", 1, -2 /* process */));
    attempt("keyctl", syscall(SYS_keyctl, 0, -4 /* user */, 0));
    int shm = shmget(IPC_PRIVATE, 4096, 0600);
    attempt("shmget", shm);
    attempt("shmat", (long)shmat(shm, NULL, 0));
    shmctl(shm, IPC_RMID, NULL);
    int sem = semget(IPC_PRIVATE, 1, 0600);
    attempt("semget", sem);
    struct sembuf one = {0, 1, 0};
    attempt("semop", semop(sem, &one, 1));
    attempt("semctl remove", semctl(sem, 0, IPC_RMID));
    int msg = msgget(IPC_PRIVATE, 0600);
    attempt("msgget", msg);
    struct { long type; char text[1]; } m = {1, {0}};
    attempt("msgsnd", msgsnd(msg, &m, 1, IPC_NOWAIT));
    attempt("msgrcv", msgrcv(msg, &m, 1, 0, IPC_NOWAIT));
    attempt("msgctl remove", msgctl(msg, IPC_RMID, NULL));
    mqd_t queue = mq_open("/shannot-probe", O_CREAT | O_RDWR, 0600, NULL);
    attempt("mq_open", queue);
    mq_unlink("/shannot-probe");
    struct { unsigned bytes; int type; unsigned char handle[128]; } handle = {128, 0, {0}};
    int mount;
    attempt("name_to_handle_at",
            syscall(SYS_name_to_handle_at, AT_FDCWD, argv[0], &handle, &mount, 0));
    int watch = inotify_init1(0);
    attempt("inotify_init", watch);
    attempt("inotify_add_watch", inotify_add_watch(watch, argv[0], IN_ACCESS));
    attempt("personality", personality(READ_IMPLIES_EXEC));
    personality(0);
    attempt("mlock", mlock(params, 1));
    attempt("modify_ldt", syscall(SYS_modify_ldt, 0, params, sizeof params));
    attempt("memfd_create", syscall(SYS_memfd_create, "x", 0));
    int pair[2];
    if (pipe(pair)) error("pipe");
    attempt("F_SETPIPE_SZ", fcntl(pair[0], F_SETPIPE_SZ, 1 << 20));
    struct iovec io = {params, 1};
    attempt("vmsplice", syscall(SYS_vmsplice, pair[1], &io, 1, 0));
    int fd = open(argv[0], O_RDONLY);
    attempt("splice", syscall(SYS_splice, fd, NULL, pair[1], NULL, 1, 0));
    attempt("sendfile", syscall(SYS_sendfile, pair[1], fd, NULL, 1));
    attempt("landlock", syscall(444, NULL, 0, 1));
    attempt("seccomp", syscall(SYS_seccomp, 2 /* GET_ACTION_AVAIL */, 0, &(uint32_t){0}));
    attempt("membarrier", syscall(SYS_membarrier, 0, 0, 0));
    attempt("process_mrelease", is_control() ? 0 : syscall(448, 0, 0));
}

/* What takes privilege outside; the arguments do no harm even where they are believed. */
static void machine(int argc, char **argv) {
    (void)argc;
    char name[64];
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4,
                           .max_entries = 1};
    attempt("bpf", syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr));
    struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event,
                                    .config = PERF_COUNT_SW_CPU_CLOCK, .disabled = 1};
    attempt("perf_event_open", syscall(SYS_perf_event_open, &event, -1, 0, -1, 0));
    attempt("userfaultfd", syscall(SYS_userfaultfd, 0));
    attempt("fanotify_init", syscall(SYS_fanotify_init, FAN_CLASS_NOTIF, 0));
    attempt("iopl", iopl(3));
    attempt("ioperm", ioperm(0x80, 1, 1));
    gethostname(name, sizeof name);
    attempt("sethostname", sethostname(name, strlen(name)));
    getdomainname(name, sizeof name);
    attempt("setdomainname", setdomainname(name, strlen(name)));
    attempt("settimeofday", syscall(SYS_settimeofday, NULL, NULL));
    /* A tick of no time. */
    struct timex clock = {.modes = ADJ_TICK};
    attempt_past("adjtimex", syscall(SYS_adjtimex, &clock), EINVAL);
    attempt_past("clock_adjtime", syscall(SYS_clock_adjtime, CLOCK_REALTIME, &clock), EINVAL);
    attempt("clock_settime", is_control() ? 0 : syscall(SYS_clock_settime, CLOCK_REALTIME, NULL));
    /* Without the magic number it is nothing; with it, no more Ctrl-Alt-Del. */
    attempt_past("reboot", syscall(SYS_reboot, is_control() ? 0 : 0xfee1dead, 672274793, 0, NULL),
                 EINVAL);
    attempt_past("swapon", swapon("/nonexistent", 0), ENOENT);
    attempt_past("swapoff", swapoff("/nonexistent"), ENOENT);
    attempt_past("init_module", syscall(SYS_init_module, NULL, 0, ""), ENOEXEC);
    attempt_past("finit_module", syscall(SYS_finit_module, open("/", O_RDONLY), "", 0), EINVAL);
    attempt_past("delete_module", syscall(SYS_delete_module, "shannot", O_NONBLOCK), ENOENT);
    attempt_past("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 1UL << 31), EINVAL);
    attempt_past("acct", syscall(SYS_acct, "/nonexistent"), ENOENT);
    attempt_past("quotactl", syscall(SYS_quotactl, 0x800001 << 8, NULL, 0, NULL), ESRCH);
    attempt("syslog read", klogctl(2, name, 0));
    attempt_past("syslog level", klogctl(8, NULL, 99), EINVAL);
    attempt("syslog clear", is_control() ? 0 : klogctl(5, NULL, 0));
    attempt("syslog console off", is_control() ? 0 : klogctl(6, NULL, 0));
    /* Outside, of a session without a terminal. */
    if (is_control()) setsid();
    attempt("vhangup", syscall(SYS_vhangup));
    attempt_past("lookup_dcookie", syscall(SYS_lookup_dcookie, 1, name, 64), EINVAL);
    struct { unsigned bytes; int type; unsigned char handle[128]; } handle = {128, 0, {0}};
    int mount, dir = open("/", O_RDONLY);
    syscall(SYS_name_to_handle_at, AT_FDCWD, argv[0], &handle, &mount, 0);
    attempt("open_by_handle_at", syscall(SYS_open_by_handle_at, dir, &handle, O_RDONLY));
    struct { uint32_t version; int pid; } header = {0x20080522, 0};
    uint32_t data[6] = {0};
    /* It may answer success, and must change nothing. */
    uint32_t all[6] = {-1, -1, 0, -1, -1, 0};
    syscall(SYS_capset, &header, all);
    if (syscall(SYS_capget, &header, data)) error("capget");
    errno = EPERM;
    attempt("capset", is_control() || data[0] | data[1] | data[3] | data[4] ? 0 : -1);
}

/* Every number without a name: none may do anything but say that it is not there. */
static void unknown_calls(int argc, char **argv) {
    (void)argc, (void)argv;
    int answered = 0;
    for (int nr = 468; nr < 1200; nr++) {
        if (nr == 469) continue; /* file_setattr has its own answer */
        if (syscall(nr, -1L, -1L, -1L, -1L, -1L, -1L) >= 0 || errno != ENOSYS) answered++;
    }
    for (int nr = 0; nr < 600; nr++)
        if (syscall(nr | 0x40000000, -1L, -1L, -1L, -1L, -1L, -1L) >= 0 || errno != ENOSYS)
            answered++;
    for (int nr = 0; nr < 500; nr++)
        if (nr != 1 && int80(nr, -1, -1, -1, -1, -1) != -ENOSYS) answered++;
    fact("answered", "%d", answered);
}

/* Devices: the harmless ones work, all others are closed. PATH... are more of those. */
static void devices(int argc, char **argv) {
    static const char *closed[] = {
        "/dev/kmsg", "/dev/mem", "/dev/port", "/dev/kvm", "/dev/fuse", "/dev/tty", "/dev/tty0",
        "/dev/tty1", "/dev/console", "/dev/ptmx", "/dev/pts/ptmx", "/dev/pts/0", "/dev/vda",
        "/dev/sda", "/dev/nvme0n1", "/dev/loop0", "/dev/loop-control", "/dev/net/tun",
        "/dev/rtc0", "/dev/watchdog", "/dev/hpet", "/dev/snapshot", "/dev/userfaultfd",
        "/dev/vsock", "/dev/ttyS0", "/dev/btrfs-control", "/dev/cpu_dma_latency",
    };
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++) {
        if (access(closed[i], F_OK)) continue;
        attempt_at("read", closed[i], open(closed[i], O_RDONLY | O_NONBLOCK));
        attempt_at("write", closed[i], open(closed[i], O_WRONLY | O_NONBLOCK));
    }
    for (int i = 0; i < argc; i++) {
        attempt_at("read", argv[i], open(argv[i], O_RDONLY | O_NONBLOCK));
        attempt_at("write", argv[i], open(argv[i], O_WRONLY | O_NONBLOCK));
    }
    static const char *open_ones[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                      "/dev/urandom"};
    for (size_t i = 0; i < sizeof open_ones / sizeof *open_ones; i++) {
        int fd = open(open_ones[i], O_RDWR);
        fact(open_ones[i], "%s", fd >= 0 ? "open" : strerrorname_np(errno));
        /* RNDADDTOENTCNT and RNDCLEARPOOL. */
        int one = 1;
        if (i >= 3) attempt_at("RNDADDTOENTCNT", open_ones[i], ioctl(fd, 0x40045201, &one));
    }
}

const struct probe_case kernel_cases[] = {
    {"kernel", kernel}, {"machine", machine}, {"unknown-calls", unknown_calls},
    {"devices", devices}, {0},
};
