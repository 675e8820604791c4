/* Modes, owners, times, attributes and flags of a file that the runner owns. */
#include "probe.h"
#include <linux/fs.h>
#include <sys/xattr.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define SYS_SETXATTRAT 463
#define SYS_REMOVEXATTRAT 466
#define SYS_FILE_SETATTR 469

static void by_path(const char *how, const char *path) {
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2}};
    attempt_at("chmod", how, chmod(path, 0777));
    attempt_at("fchmodat", how, syscall(SYS_fchmodat, AT_FDCWD, path, 0777));
    attempt_at("fchmodat2", how, syscall(SYS_fchmodat2, AT_FDCWD, path, 0777, 0));
    attempt_at("chown", how, chown(path, -1, getgid()));
    attempt_at("fchownat", how, fchownat(AT_FDCWD, path, -1, getgid(), 0));
    attempt_at("utimensat", how, utimensat(AT_FDCWD, path, times, 0));
    attempt_at("utimes", how, syscall(SYS_utimes, path, NULL));
    attempt_at("utime", how, syscall(SYS_utime, path, NULL));
    attempt_at("setxattr", how, setxattr(path, "user.probe", "x", 1, 0));
    struct { uint64_t value; uint32_t size, flags; } value = {(uint64_t)"y", 1, 0};
    attempt_at("setxattrat", how,
               syscall(SYS_SETXATTRAT, AT_FDCWD, path, 0, "user.probe", &value, sizeof value));
    attempt_at("removexattr", how, removexattr(path, is_control() ? "user.probe" : "user.kept"));
    setxattr(path, "user.probe", "x", 1, 0);
    attempt_at("removexattrat", how, syscall(SYS_REMOVEXATTRAT, AT_FDCWD, path, 0,
                                             is_control() ? "user.probe" : "user.kept"));
    struct { uint64_t xflags; uint32_t extsize, nextents, projid, cowextsize; } attr = {0};
    attempt_at("file_setattr", how,
               syscall(SYS_FILE_SETATTR, AT_FDCWD, path, &attr, sizeof attr, 0));
}

static void by_descriptor(const char *how, int fd) {
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2}};
    attempt_at("fchmod", how, fchmod(fd, 0777));
    attempt_at("fchown", how, fchown(fd, -1, getgid()));
    attempt_at("futimens", how, futimens(fd, times));
    attempt_at("fsetxattr", how, fsetxattr(fd, "user.probe", "x", 1, 0));
    attempt_at("fremovexattr", how, fremovexattr(fd, is_control() ? "user.probe" : "user.kept"));
    int flags = 0;
    ioctl(fd, FS_IOC_GETFLAGS, &flags);
    flags ^= FS_NODUMP_FL;
    attempt_at("FS_IOC_SETFLAGS", how, ioctl(fd, FS_IOC_SETFLAGS, &flags));
    unsigned long high = FS_IOC_SETFLAGS | 1UL << 32;
    attempt_at("FS_IOC_SETFLAGS high", how, syscall(SYS_ioctl, fd, high, &flags));
    struct fsxattr attr = {0};
    ioctl(fd, FS_IOC_FSGETXATTR, &attr);
    attempt_at("FS_IOC_FSSETXATTR", how, ioctl(fd, FS_IOC_FSSETXATTR, &attr));
}

static void metadata(int argc, char **argv) {
    (void)argc;
    char through[64], *low = low_memory();
    by_path("by path", argv[0]);
    int fd = open(argv[0], O_RDONLY), only = open(argv[0], O_PATH);
    if (fd < 0 || only < 0) error("open");
    by_descriptor("by descriptor", fd);
    snprintf(through, sizeof through, "/proc/self/fd/%d", fd);
    by_path("by /proc of a descriptor", through);
    snprintf(through, sizeof through, "/proc/self/fd/%d", only);
    by_path("by /proc of an O_PATH descriptor", through);
    attempt("fchmodat2 of an O_PATH descriptor",
            syscall(SYS_fchmodat2, only, "", 0777, AT_EMPTY_PATH));
    attempt("fchownat of an O_PATH descriptor",
            fchownat(only, "", -1, getgid(), AT_EMPTY_PATH));
    attempt("utimensat of a descriptor", syscall(SYS_utimensat, fd, NULL, NULL, 0));
    strcpy(low, argv[0]);
    attempt_raw("chmod by int 0x80", int80(15, (long)low, 0777, 0, 0, 0));
    attempt_raw("fchmod by int 0x80", int80(94, fd, 0777, 0, 0, 0));
    attempt_raw("chown by int 0x80", int80(212, (long)low, -1, getgid(), 0, 0));
    if (!is_control()) attempt("chmod by x32", syscall(SYS_chmod | 0x40000000, argv[0], 0777));
}

/* Reads a file and a directory, for the harness to compare the access times. */
static void read_only(int argc, char **argv) {
    char buffer[64];
    (void)argc;
    fact("read", "%zd", slurp(argv[0], buffer, sizeof buffer));
}

const struct probe_case metadata_cases[] = {
    {"metadata", metadata}, {"read", read_only}, {0},
};
