//! The calls that a box may make, and who needs each.
//!
//! "every program" means that `strace` shows it in any dynamic program. What no diagnostic tool
//! was seen to need is not here, however harmless.

use super::{ALLOW, Group, Syscall, Treatment, calls};
use crate::plan::seccomp::Check;

const fn check(check: Check) -> Treatment {
    Treatment::Check(check)
}

pub(super) const PARTS: &[&[Syscall]] = &[
    READ,
    WRITE,
    DESCRIPTORS,
    WAIT,
    MEMORY,
    EXEC,
    PROCESSES,
    CREDENTIALS,
    SCHEDULING,
    SIGNALS,
    CLOCKS,
    SOCKETS,
    IPC,
    HOST,
];

calls! { READ: Read;
    access              21   - => ALLOW, "ld.so";
    chdir               80  49 => ALLOW, "git, python3, shells";
    faccessat          269  48 => ALLOW, "test, which";
    faccessat2         439 439 => ALLOW, "lsblk, lscpu, which";
    fadvise64          221 223 => check(Check::Fadvise), "cat, cut, md5sum, uniq";
    fchdir              81  50 => ALLOW, "find, du";
    fstat                5  80 => ALLOW, "every program";
    fstatfs            138  44 => ALLOW, "du, find, journalctl";
    getcwd              79  17 => ALLOW, "git, python3, realpath";
    getdents64         217  61 => ALLOW, "ls, find, ps";
    getxattr           191   8 => ALLOW, "getcap, ls";
    lgetxattr          192   9 => ALLOW, "ls -l (access lists, labels)";
    listxattr          194  11 => ALLOW, "ls -l of coreutils 9.6, getfattr";
    llistxattr         195  12 => ALLOW, "ls -l of coreutils 9.6, getfattr -h";
    lseek                8  62 => ALLOW, "cat, grep, tail";
    lstat                6   - => ALLOW, "musl and Go programs on x86-64";
    newfstatat         262  79 => ALLOW, "every program";
    open                 2   - => check(Check::Open), "musl programs on x86-64";
    openat             257  56 => check(Check::Openat), "every program";
    openat2            437 437 => check(Check::Openat2), "tar and other programs with current gnulib, systemd tools";
    pread64             17  67 => ALLOW, "ld.so";
    read                 0  63 => ALLOW, "every program";
    readlink            89   - => ALLOW, "findmnt, git, readlink";
    readlinkat         267  78 => ALLOW, "lsblk, musl and Go programs";
    readv               19  65 => ALLOW, "stdio of musl";
    stat                 4   - => ALLOW, "musl and Go programs on x86-64";
    statfs             137  43 => ALLOW, "df, findmnt, dpkg";
    statx              332 291 => ALLOW, "ls, stat, Rust programs";
}

// What is written by path is not decided here: every tier makes the host read-only by mounts, by
// Landlock, or both, and in scratch directories these must work. Calls that change what is there
// already (hard links, truncation by path, modes, owners) are refused all the same: see `refused`.
calls! { WRITE: Write;
    ftruncate           77  46 => ALLOW, "nstat, java, sqlite3 (temporary files)";
    mkdir               83   - => ALLOW, "mktemp -d, top";
    mkdirat            258  34 => ALLOW, "mktemp -d, tar";
    pwrite64            18  68 => ALLOW, "sqlite3 (temporary files)";
    rename              82   - => ALLOW, "blkid (its cache)";
    renameat           264  38 => ALLOW, "musl and Go programs";
    renameat2          316 276 => ALLOW, "mv, sed -i";
    rmdir               84   - => ALLOW, "rm -r of musl programs, mktemp's users";
    umask               95 166 => ALLOW, "apt, dpkg, man";
    unlink              87   - => ALLOW, "sort (temporary files), git";
    unlinkat           263  35 => ALLOW, "rm, sort on 64-bit ARM";
    write                1  64 => ALLOW, "every program";
    writev              20  66 => ALLOW, "journalctl, stdio of musl";
}

calls! { DESCRIPTORS: Descriptors;
    close                3  57 => ALLOW, "every program";
    close_range        436 436 => ALLOW, "lsof, ssh, python3 (subprocess)";
    dup                 32  23 => ALLOW, "last, lsblk, findmnt";
    dup2                33   - => ALLOW, "shells, xargs";
    dup3               292  24 => ALLOW, "uniq, top, Go programs";
    eventfd2           290  19 => ALLOW, "Node.js, Go and Rust programs";
    fcntl               72  25 => check(Check::Fcntl), "dpkg, sqlite3, shells";
    ioctl               16  29 => check(Check::Ioctl), "isatty(3), lsattr, lsns";
    pipe                22   - => ALLOW, "musl programs on x86-64";
    pipe2              293  59 => ALLOW, "shells, xz (threads)";
}

calls! { WAIT: Wait;
    epoll_create       213   - => ALLOW, "pgrep";
    epoll_create1      291  20 => ALLOW, "Node.js, Go and Rust programs";
    epoll_ctl          233  21 => ALLOW, "Node.js, Go and Rust programs";
    epoll_pwait        281  22 => ALLOW, "Node.js, Go programs";
    epoll_wait         232   - => ALLOW, "Rust programs, journalctl -f";
    poll                 7   - => ALLOW, "getent, xargs";
    ppoll              271  73 => ALLOW, "journalctl -f, poll(3) on 64-bit ARM";
    pselect6           270  72 => ALLOW, "top, select(3) on 64-bit ARM";
    select              23   - => ALLOW, "bash, perl, python3";
}

calls! { MEMORY: Memory;
    brk                 12 214 => ALLOW, "malloc(3)";
    madvise             28 233 => ALLOW, "malloc(3) in threads, Go programs, Node.js";
    mmap                 9 222 => ALLOW, "ld.so";
    mprotect            10 226 => ALLOW, "ld.so";
    mremap              25 216 => ALLOW, "realloc(3), apt";
    munmap              11 215 => ALLOW, "ld.so";
}

calls! { EXEC: Exec;
    execve              59 221 => check(Check::Execve), "dpkg -l, zcat, ldd, where their programs are listed";
    execveat           322 281 => check(Check::Execveat), "the engine, to start the program";
}

calls! { PROCESSES: Processes;
    arch_prctl         158   - => ALLOW, "libc (thread pointer)";
    clone               56 220 => check(Check::Clone), "sort, xz, java (threads)";
    exit                60  93 => ALLOW, "the end of a thread";
    exit_group         231  94 => ALLOW, "every program";
    fork                57   - => check(Check::Fork), "musl programs on x86-64";
    futex              202  98 => check(Check::Futex), "every program with threads";
    getpgid            121 155 => ALLOW, "bash, pgrep -g";
    getpgrp            111   - => ALLOW, "bash, python3";
    getpid              39 172 => ALLOW, "git, dash, journalctl";
    getppid            110 173 => ALLOW, "shells";
    getsid             124 156 => ALLOW, "pgrep -s";
    gettid             186 178 => ALLOW, "journalctl, Go programs, python3";
    prctl              157 167 => check(Check::Prctl), "ls and ps (libcap), thread names";
    restart_syscall    219 128 => ALLOW, "the kernel, after a stop in a sleep";
    rseq               334 293 => ALLOW, "glibc";
    set_robust_list    273  99 => ALLOW, "glibc";
    set_tid_address    218  96 => ALLOW, "libc";
    setpgid            109 154 => ALLOW, "timeout, shells";
    vfork               58   - => check(Check::Fork), "make, dash";
    wait4               61 260 => ALLOW, "shells, timeout, dpkg";
    waitid             247  95 => ALLOW, "Go programs, python3";
}

calls! { CREDENTIALS: Credentials;
    capget             125  90 => ALLOW, "getpcaps, Node.js";
    getegid            108 177 => ALLOW, "id, shells";
    geteuid            107 175 => ALLOW, "id, git, ps";
    getgid             104 176 => ALLOW, "id, ip";
    getgroups          115 158 => ALLOW, "id";
    getresgid          120 150 => ALLOW, "perl, libcap";
    getresuid          118 148 => ALLOW, "perl, libcap";
    getuid             102 174 => ALLOW, "id, git, ps";
}

calls! { SCHEDULING: Scheduling;
    get_mempolicy      239 236 => ALLOW, "numactl -H, which without it says that there are no nodes";
    getpriority        140 141 => ALLOW, "nice, top";
    getrlimit           97 163 => ALLOW, "Go programs before 1.20 (descriptor limit)";
    getrusage           98 165 => ALLOW, "java, time of shells";
    ioprio_get         252  31 => ALLOW, "ionice -p";
    prlimit64          302 261 => check(Check::Prlimit), "every program, ulimit -a";
    sched_get_priority_max 146 125 => ALLOW, "chrt -m, .NET";
    sched_get_priority_min 147 126 => ALLOW, "chrt -m, .NET";
    sched_getaffinity  204 123 => ALLOW, "nproc, taskset -p, Go programs";
    sched_getattr      315 275 => ALLOW, "chrt -p";
    sched_getparam     143 121 => ALLOW, "chrt -p, pthread_getschedparam(3)";
    sched_getscheduler 145 120 => ALLOW, "chrt -p, pthread_getschedparam(3)";
    sched_yield         24 124 => ALLOW, "java, Go programs";
    sysinfo             99 179 => ALLOW, "free, uptime, sort (memory)";
    times              100 153 => ALLOW, "times of shells";
    uname               63 160 => ALLOW, "uname, df, hostname";
}

// Signals reach no further than the box: it has a pid namespace of its own, or Landlock's scope.
calls! { SIGNALS: Signals;
    kill                62 129 => check(Check::Kill), "timeout, shells";
    pause               34   - => ALLOW, "pause(2) of perl, which would spin without it";
    rt_sigaction        13 134 => ALLOW, "every program with handlers";
    rt_sigprocmask      14 135 => ALLOW, "shells, Go programs";
    rt_sigreturn        15 139 => ALLOW, "the end of a handler";
    rt_sigsuspend      130 133 => ALLOW, "timeout, shells";
    rt_sigtimedwait    128 137 => ALLOW, "python3, .NET";
    sigaltstack        131 132 => ALLOW, "grep, diff, Rust and Go programs";
    signalfd4          289  74 => ALLOW, "more, journalctl -f";
    tgkill             234 131 => check(Check::Kill), "abort(3), Go programs";
    tkill              200 130 => check(Check::Kill), "abort(3) of musl";
}

calls! { CLOCKS: Clocks;
    alarm               37   - => ALLOW, "lsof";
    clock_getres       229 114 => ALLOW, "java, python3";
    clock_gettime      228 113 => ALLOW, "every program, where the vDSO has no clock";
    clock_nanosleep    230 115 => ALLOW, "sleep, top";
    getrandom          318 278 => ALLOW, "malloc(3), mktemp, hashes of python3";
    gettimeofday        96 169 => ALLOW, "the same without a vDSO";
    nanosleep           35 101 => ALLOW, "Go and musl programs";
    setitimer           38 103 => ALLOW, "alarm(3) on 64-bit ARM, perl";
    time               201   - => ALLOW, "the same without a vDSO";
    timer_create       222 107 => ALLOW, "timeout";
    timer_delete       226 111 => ALLOW, "timer_create(2)'s users";
    timer_settime      223 110 => ALLOW, "timeout";
    timerfd_create     283  85 => ALLOW, "journalctl -f (sd-event)";
    timerfd_settime    286  86 => ALLOW, "journalctl -f (sd-event)";
}

// `connect` is not here: netlink needs none, and no other socket is unconnected.
calls! { SOCKETS: Sockets;
    bind                49 200 => check(Check::Bind), "ip, ss, tc";
    getpeername         52 205 => ALLOW, "bash, of its stdin";
    getsockname         51 204 => ALLOW, "ip, ss, tc";
    getsockopt          55 209 => ALLOW, "ss, Node.js";
    recvfrom            45 207 => ALLOW, "getent (netlink), readers of pairs";
    recvmsg             47 212 => ALLOW, "ip, ss, tc";
    sendmsg             46 211 => ALLOW, "ip, ss, tc";
    sendto              44 206 => ALLOW, "ip, bridge, getent";
    setsockopt          54 208 => check(Check::Setsockopt), "ip, ss, tc";
    socket              41 198 => check(Check::Socket), "ip, ss, tc";
    socketpair          53 199 => check(Check::Socketpair), "asyncio of python3, tokio";
}

// A box that shows the host's processes keeps the host's IPC namespace, so that `ipcs` tells the
// truth. It may look and touch nothing.
calls! { IPC: Ipc;
    msgctl              71 187 => check(Check::Msgctl), "ipcs -q, lsipc";
    semctl              66 191 => check(Check::Semctl), "ipcs -s, lsipc";
    shmctl              31 195 => check(Check::Shmctl), "ipcs -m, lsipc";
}

calls! { HOST: Host;
    syslog             103 116 => check(Check::Syslog), "dmesg";
}
