/* What the profile hides, by every name it could have. */
#include "probe.h"

/* Prints whether each path's content can be read. */
static void read_each(int argc, char **argv) {
    char buffer[64];
    for (int i = 0; i < argc; i++) {
        ssize_t got = slurp(argv[i], buffer, sizeof buffer);
        if (got == 0) errno = ENODATA, got = -1;
        attempt_at("read", argv[i], got);
    }
}

/* DIR: the hidden directory. FILE: a file in it. */
static void hidden_directory(int argc, char **argv) {
    (void)argc;
    char through[4096], *dir = argv[0], *file = argv[1];
    const char *prefixes[] = {"", "/proc/self/root", "/proc/self/task/self/root", "/proc/1/root",
                              "/proc/self/cwd", "/.", "/proc/self/../self/root", "/proc/thread-self/root"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        char buffer[16];
        snprintf(through, sizeof through, "%s%s/%s", prefixes[i], dir, file);
        ssize_t got = slurp(through, buffer, sizeof buffer);
        if (got == 0) errno = ENODATA, got = -1;
        attempt_at("read by", prefixes[i][0] ? prefixes[i] : "its path", got);
    }
    int fd = open(dir, O_PATH | O_DIRECTORY);
    int in = openat(fd, file, O_RDONLY);
    attempt("openat of an O_PATH descriptor", in);
    snprintf(through, sizeof through, "/proc/self/fd/%d/%s", fd, file);
    attempt("open by /proc of a descriptor", open(through, O_RDONLY));
    snprintf(through, sizeof through, "%s/../%s/%s", dir, strrchr(dir, '/') + 1, file);
    attempt("open by ..", open(through, O_RDONLY));
    if (chdir(dir) == 0) attempt("open from within", open(file, O_RDONLY));
    snprintf(through, sizeof through, "%s/%s", dir, file);
    struct { uint64_t flags, mode, resolve; } how = {O_RDONLY, 0, 0};
    attempt("openat2", syscall(SYS_openat2, AT_FDCWD, through, &how, sizeof how));
    static char handle_buffer[256];
    *(unsigned *)handle_buffer = 128;
    int mount;
    long named = syscall(SYS_name_to_handle_at, AT_FDCWD, through, handle_buffer, &mount, 0);
    attempt("name_to_handle_at", named);
    attempt("rename", rename(dir, is_control() ? dir : "/tmp/shannot-probe-renamed"));
    snprintf(through, sizeof through, "%s/%s", dir, "made");
    attempt("link", link(dir, through));
}

struct handle { unsigned bytes; int type; unsigned char data[128]; };

/* FILE: prints its handle, as an attacker could guess it who knows the file system. */
static void tell_handle(int argc, char **argv) {
    (void)argc;
    struct handle handle = {sizeof handle.data, 0, {0}};
    int mount;
    char text[300] = "";
    if (syscall(SYS_name_to_handle_at, AT_FDCWD, argv[0], &handle, &mount, 0))
        return error("name_to_handle_at");
    for (unsigned i = 0; i < handle.bytes; i++) sprintf(text + 2 * i, "%02x", handle.data[i]);
    fact("handle", "%d:%s", handle.type, text);
}

/* DIR of the same file system, HANDLE: opens a file by no name at all. */
static void by_handle(int argc, char **argv) {
    (void)argc;
    struct handle handle = {0, atoi(argv[1]), {0}};
    const char *digits = strchr(argv[1], ':') + 1;
    for (unsigned byte; sscanf(digits, "%2x", &byte) == 1; digits += 2)
        handle.data[handle.bytes++] = byte;
    char buffer[16];
    int dir = open(argv[0], O_RDONLY | O_DIRECTORY);
    int fd = syscall(SYS_open_by_handle_at, dir, &handle, O_RDONLY);
    attempt("open_by_handle_at", fd < 0 ? fd : read(fd, buffer, sizeof buffer));
    fd = syscall(SYS_open_by_handle_at, dir, &handle, O_PATH);
    attempt("open_by_handle_at without rights", fd);
    if (chdir(argv[0])) error("chdir");
    attempt("open_by_handle_at here", syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY));
}

/* FILE: waits while the harness changes it outside, then reads it. */
static void read_later(int argc, char **argv) {
    char buffer[64];
    wait_for_harness("ready");
    for (int i = 0; i < argc; i++) {
        ssize_t got = slurp(argv[i], buffer, sizeof buffer);
        if (got == 0) errno = ENODATA, got = -1;
        attempt_at("read", argv[i], got);
    }
}

/* FILE: waits while the harness mounts something there, then reads and changes it. */
static void mounted_later(int argc, char **argv) {
    read_later(argc, argv);
    attempt("write", open(argv[0], O_WRONLY));
    attempt("truncate", truncate(argv[0], 0));
    attempt("remove", unlink(argv[0]));
}

const struct probe_case hidden_cases[] = {
    {"read-each", read_each}, {"hidden-directory", hidden_directory},
    {"read-later", read_later}, {"tell-handle", tell_handle}, {"by-handle", by_handle},
    {"mounted-later", mounted_later}, {0},
};
