/* What the attacker's cases share. Each attempt prints one line:
 *   blocked: CALL: ERRNO      the kernel refused it
 *   escaped: CALL             it worked
 *   absent: CALL              outside the box only: this kernel does not have the call
 *   fact: NAME=VALUE          for the harness to judge
 *   error: TEXT               the probe itself is at fault */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One attempt: `result` is what a call returned, with errno set where it failed. */
void attempt(const char *what, long result);
/* The same, with the directory, file or process in the name. */
void attempt_at(const char *what, const char *where, long result);
/* The same for a raw return value that carries the errno itself. */
void attempt_raw(const char *what, long result);
/* The same for a call with arguments that do no harm: `past` is the errno that the kernel gives only
 * after it has let the caller in, and counts as having worked. */
void attempt_past(const char *what, long result, int past);
void fact(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
void error(const char *text);
/* Whether this run is the positive control, outside any box. */
int is_control(void);
/* Reads a file's start; -1 with errno. */
ssize_t slurp(const char *path, char *buffer, size_t size);
/* A word that nobody knows yet when the command line is written: `@FILE` is the file's first line. */
const char *told(const char *word);
/* Waits for the end of stdin, which the harness holds open while it looks at the host. */
void wait_for_harness(const char *say);
/* A call by the 32-bit gate. Pointers must lie below 4 GiB. */
long int80(long nr, long a, long b, long c, long d, long e);
/* Memory below 4 GiB, for int80. */
void *low_memory(void);

struct probe_case {
    const char *name;
    void (*run)(int argc, char **argv);
};

extern const struct probe_case files_cases[], metadata_cases[], mounts_cases[], sockets_cases[],
    processes_cases[], proc_cases[], exec_cases[], kernel_cases[], inside_cases[], limits_cases[],
    hidden_cases[], hung_cases[], ipc_cases[], smuggle_cases[], forced_cases[],
    victim_cases[];
