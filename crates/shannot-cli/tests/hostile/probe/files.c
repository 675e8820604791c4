/* Changes of files and directories, and locks on them. */
#include "probe.h"
#include <linux/fs.h>

static char path_buffer[4][4096];

static const char *in(int slot, const char *dir, const char *name) {
    snprintf(path_buffer[slot], sizeof path_buffer[slot], "%s/%s", dir, name);
    return path_buffer[slot];
}

/* What makes something new in a directory; it is removed again where it worked. */
static void create_in(const char *dir) {
    const char *new = in(0, dir, "shannot-probe-new");
    int fd = open(new, O_CREAT | O_EXCL | O_WRONLY, 0666);
    attempt_at("create", dir, fd);
    if (fd >= 0) unlink(new);
    fd = open(dir, O_TMPFILE | O_RDWR, 0600);
    attempt_at("create unnamed", dir, fd);
    long made = symlink("/etc/passwd", new);
    attempt_at("symlink", dir, made);
    if (made == 0) unlink(new);
    made = mkdir(new, 0777);
    attempt_at("mkdir", dir, made);
    if (made == 0) rmdir(new);
    made = mkdirat(AT_FDCWD, new, 0777);
    attempt_at("mkdirat", dir, made);
    if (made == 0) rmdir(new);
    made = mknod(new, S_IFIFO | 0666, 0);
    attempt_at("mknod fifo", dir, made);
    if (made == 0) unlink(new);
    made = mknod(new, S_IFREG | 0666, 0);
    attempt_at("mknod file", dir, made);
    if (made == 0) unlink(new);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", new);
    made = s < 0 ? -1 : bind(s, (void *)&address, sizeof address);
    attempt_at("bind socket", dir, made);
    if (made == 0) unlink(new);
}

static void create(int argc, char **argv) {
    for (int i = 0; i < argc; i++) create_in(argv[i]);
}

static int rw(const char *what, const char *file, int flags) {
    int fd = open(file, flags);
    attempt_at(what, file, fd);
    return fd;
}

/* Every change of DIR/victim and DIR/sub; DIR/victim and DIR/other exist. */
static void change(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        const char *dir = argv[i];
        const char *victim = in(0, dir, "victim"), *other = in(1, dir, "other");
        const char *moved = in(2, dir, "moved"), *sub = in(3, dir, "sub");
        close(rw("open for writing", victim, O_WRONLY));
        close(rw("open for both", victim, O_RDWR));
        int fd = rw("append", victim, O_WRONLY | O_APPEND);
        if (fd >= 0 && write(fd, "x", 1) != 1) error("append");
        close(fd);
        attempt_at("truncate", victim, truncate(victim, 1));
        /* Outside, what these need is there; inside, a descriptor for reading is all there is. */
        fd = open(victim, is_control() ? O_RDWR : O_RDONLY);
        attempt_at("ftruncate", victim, ftruncate(fd, 10));
        char through[64];
        snprintf(through, sizeof through, "/proc/self/fd/%d", fd);
        close(rw("reopen for writing", through, O_RDWR));
        void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        attempt_at("mmap shared for writing", victim, shared == MAP_FAILED ? -1 : 0);
        attempt_at("fallocate", victim, fallocate(fd, 0, 0, 100));
        close(fd);
        close(rw("truncate by opening", victim, O_RDONLY | O_TRUNC));
        close(rw("truncate by opening for writing", victim, O_WRONLY | O_TRUNC));
        attempt_at("link", victim, link(victim, moved));
        unlink(moved);
        attempt_at("exchange", victim,
                   renameat2(AT_FDCWD, victim, AT_FDCWD, other, RENAME_EXCHANGE));
        attempt_at("rename", victim, rename(victim, moved));
        rename(moved, victim);
        attempt_at("rename over", victim, rename(other, victim));
        attempt_at("rename directory", sub, rename(sub, moved));
        rename(moved, sub);
        attempt_at("rmdir", sub, rmdir(sub));
        attempt_at("unlink", victim, unlink(victim));
    }
}

/* A FIFO that a host process reads. */
static void write_fifo(int argc, char **argv) {
    (void)argc;
    int fd = open(argv[0], O_WRONLY | O_NONBLOCK);
    attempt("open fifo for writing", fd < 0 ? fd : write(fd, "from the box", 12));
}

static void read_fifo(int argc, char **argv) {
    char buffer[64];
    (void)argc;
    int fd = open(argv[0], O_RDONLY);
    ssize_t got = fd < 0 ? -1 : read(fd, buffer, sizeof buffer);
    attempt("read fifo", got > 0 ? got : -1);
}

static void file_lock(int fd, int command, short type) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    fact("lock", "%d:%d", command, fcntl(fd, command, &lock));
}

#include <sys/file.h>
/* Takes whatever it is given and holds it: the harness then asks for the same from outside. */
static void hold_locks(int argc, char **argv) {
    (void)argc;
    int fd = open(argv[0], is_control() ? O_RDWR : O_RDONLY);
    if (fd < 0) error("open");
    fact("lock", "flock:%d", flock(fd, LOCK_EX | LOCK_NB));
    file_lock(fd, F_SETLK, F_RDLCK);
    file_lock(fd, F_OFD_SETLK, F_RDLCK);
    attempt("lease", fcntl(fd, F_SETLEASE, F_RDLCK));
    wait_for_harness("ready");
}

/* A lease holds up whoever opens the file for writing, until it is given up or a time is over. */
static void hold_lease(int argc, char **argv) {
    (void)argc;
    int fd = open(argv[0], O_RDONLY);
    signal(SIGIO, SIG_IGN);
    attempt("read lease", fcntl(fd, F_SETLEASE, F_RDLCK));
    wait_for_harness("ready");
}

/* VICTIM: a process of the host's, which a signal would end. Asks to have one sent when PIPE, which
 * everyone may open, has news. */
static void signal_owner(int argc, char **argv) {
    (void)argc;
    int victim = atoi(argv[0]), fd = open(argv[1], O_RDONLY | O_NONBLOCK);
    struct { int type, pid; } owner = {1 /* F_OWNER_PID */, victim};
    attempt("F_SETOWN", fcntl(fd, F_SETOWN, victim));
    attempt("F_SETOWN_EX", fcntl(fd, 15, &owner));
    attempt("F_SETSIG", fcntl(fd, F_SETSIG, SIGKILL));
    fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
    wait_for_harness("ready");
}

static void notify(int argc, char **argv) {
    (void)argc;
    int fd = open(argv[0], O_RDONLY | O_DIRECTORY);
    attempt("dnotify", fcntl(fd, F_NOTIFY, DN_MODIFY | DN_MULTISHOT));
    attempt("own", fcntl(fd, F_SETOWN, getpid()));
    attempt("signal", fcntl(fd, F_SETSIG, SIGUSR1));
}

/* Scratch: files work there, special ones and modes do not. */
static void scratch(int argc, char **argv) {
    (void)argc;
    const char *dir = argv[0];
    const char *file = in(0, dir, "file");
    int fd = open(file, O_CREAT | O_RDWR, 0600);
    fact("create", "%d", fd >= 0 && write(fd, "x", 1) == 1);
    fact("mkdir", "%d", mkdir(in(1, dir, "sub"), 0700) == 0);
    fact("rename", "%d", rename(file, in(2, dir, "sub/moved")) == 0);
    fact("unlink", "%d", unlink(in(2, dir, "sub/moved")) == 0);
    attempt("chmod", chmod(in(1, dir, "sub"), 04777));
    attempt("fchmod", fchmod(fd, 04777));
    attempt("mknod", mknod(in(3, dir, "node"), S_IFCHR | 0666, 0x103));
    attempt("mkfifo", mknod(in(3, dir, "fifo"), S_IFIFO | 0666, 0));
    static char block[1 << 20];
    memset(block, 1, sizeof block);
    fd = open(file, O_CREAT | O_RDWR, 0600);
    long written = 0;
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 1024; i++) {
        ssize_t n = write(fd, block, sizeof block);
        if (n <= 0) break;
        written += n;
    }
    fact("written", "%ld", written);
    fact("names_left", "%d", access(in(3, dir, "host-file"), F_OK) == 0);
}

/* Makes a file in scratch and waits, for another run to look for it. */
static void mark(int argc, char **argv) {
    (void)argc;
    int fd = open(in(0, argv[0], argv[1]), O_CREAT | O_RDWR, 0666);
    if (fd < 0) error("create in scratch");
    fact("uid", "%d", getuid());
    fact("pid", "%d", getpid());
    wait_for_harness("ready");
}

const struct probe_case files_cases[] = {
    {"create", create},         {"change", change},   {"write-fifo", write_fifo},
    {"read-fifo", read_fifo},   {"notify", notify},   {"hold-locks", hold_locks},
    {"scratch", scratch},       {"mark", mark},       {"hold-lease", hold_lease},
    {"signal-owner", signal_owner},                   {0},
};
