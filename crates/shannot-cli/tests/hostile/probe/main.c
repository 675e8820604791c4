#include "probe.h"

static int control;

void attempt(const char *what, long result) { attempt_at(what, NULL, result); }

void attempt_at(const char *what, const char *where, long result) {
    int e = errno;
    const char *name = strerrorname_np(e);
    const char *space = where ? " " : "";
    if (!where) where = "";
    if (result >= 0)
        printf("escaped: %s%s%s\n", what, space, where);
    else if (control && (e == ENOSYS || e == EOPNOTSUPP || e == EAFNOSUPPORT))
        printf("absent: %s%s%s\n", what, space, where);
    else
        printf("blocked: %s%s%s: %s\n", what, space, where, name ? name : "?");
    fflush(stdout);
}

void attempt_raw(const char *what, long result) {
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        result = -1;
    }
    attempt(what, result);
}

void attempt_past(const char *what, long result, int past) {
    attempt(what, result < 0 && errno == past ? 0 : result);
}

void fact(const char *name, const char *format, ...) {
    va_list args;
    va_start(args, format);
    printf("fact: %s=", name);
    vprintf(format, args);
    printf("\n");
    fflush(stdout);
    va_end(args);
}

void error(const char *text) {
    printf("error: %s: %s\n", text, strerror(errno));
    fflush(stdout);
}

int is_control(void) { return control; }

ssize_t slurp(const char *path, char *buffer, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return -1;
    ssize_t got = read(fd, buffer, size - 1);
    int e = errno;
    close(fd);
    errno = e;
    if (got >= 0) buffer[got] = 0;
    return got;
}

void wait_for_harness(const char *say) {
    char byte;
    printf("%s\n", say);
    fflush(stdout);
    while (read(0, &byte, 1) > 0) {}
}

long int80(long nr, long a, long b, long c, long d, long e) {
    long ret;
    __asm__ volatile("int $0x80"
                     : "=a"(ret)
                     : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "r8", "r9", "r10", "r11", "memory");
    return (int)ret;
}

void *low_memory(void) {
    void *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
                   -1, 0);
    if (p == MAP_FAILED) {
        error("mmap below 4 GiB");
        exit(3);
    }
    return p;
}

const char *told(const char *word) {
    static char words[4][64];
    static unsigned next;
    if (strncmp(word, "@/", 2) || next == sizeof words / sizeof *words) return word;
    char *buffer = words[next++];
    if (slurp(word + 1, buffer, sizeof *words) <= 0) {
        error(word);
        exit(3);
    }
    buffer[strcspn(buffer, "\n")] = 0;
    return buffer;
}

int main(int argc, char **argv) {
    const struct probe_case *groups[] = {
        files_cases, metadata_cases, mounts_cases, sockets_cases, processes_cases, proc_cases,
        exec_cases,  kernel_cases,   inside_cases, limits_cases,  hidden_cases, hung_cases,
        ipc_cases,   smuggle_cases,  forced_cases, victim_cases,
    };
    control = getenv("PROBE_CONTROL") != NULL;
    /* Outside there is no limit but this. */
    if (control) alarm(60);
    if (argc < 2) return 2;
    for (size_t group = 0; group < sizeof groups / sizeof *groups; group++)
        for (const struct probe_case *one = groups[group]; one->name; one++)
            if (!strcmp(one->name, argv[1])) {
                one->run(argc - 2, argv + 2);
                return 0;
            }
    printf("error: no case %s\n", argv[1]);
    return 2;
}
