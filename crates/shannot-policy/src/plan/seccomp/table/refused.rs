//! The calls that are refused by name, and why.
//!
//! The answer is the one with which tools do best:
//!
//! - `EROFS` for what a read-only file system refuses, `EPERM` for what needs privilege, `EACCES`
//!   for sockets: the message that a person reads is true.
//! - `ENOSYS` for every call from 424 on (Linux 5.1 and later), and for older ones that programs
//!   can do without: they take the path that they have for older kernels, and learn the reason
//!   there.
//! - success where a refusal would break a reader, and doing it would touch the host.

use super::{EACCES, EINVAL, ENOSYS, EPERM, EROFS, Group, PRETEND, Syscall, calls};

pub(super) const PARTS: &[&[Syscall]] = &[
    METADATA,
    WRITE,
    LOCKS,
    NEWER,
    MEMORY,
    PROCESSES,
    WATCH,
    SIGNALS,
    SCHEDULING,
    CREDENTIALS,
    SOCKETS,
    IPC,
    MOUNTS,
    HOST,
];

// Landlock knows none of these but mknod(2): in the tier without namespaces this table alone stops
// them.
calls! { METADATA: Metadata;
    chmod               90   - => EROFS, "changes a mode";
    chown               92   - => EROFS, "changes an owner";
    fchmod              91  52 => EROFS, "changes a mode";
    fchmodat           268  53 => EROFS, "changes a mode";
    fchmodat2          452 452 => ENOSYS, "changes a mode; libc falls back to fchmodat(2)";
    fchown              93  55 => EROFS, "changes an owner";
    fchownat           260  54 => EROFS, "changes an owner";
    file_setattr       469 469 => ENOSYS, "changes flags, as chattr does";
    fremovexattr       199  16 => EROFS, "removes an attribute, perhaps an access list";
    fsetxattr          190   7 => EROFS, "changes an attribute, perhaps an access list";
    futimesat          261   - => EROFS, "changes times";
    lchown              94   - => EROFS, "changes an owner";
    lremovexattr       198  15 => EROFS, "removes an attribute";
    lsetxattr          189   6 => EROFS, "changes an attribute";
    mknod              133   - => EROFS, "makes a device or a FIFO";
    mknodat            259  33 => EROFS, "makes a device or a FIFO";
    removexattr        197  14 => EROFS, "removes an attribute";
    removexattrat      466 466 => ENOSYS, "removes an attribute";
    setxattr           188   5 => EROFS, "changes an attribute";
    setxattrat         463 463 => ENOSYS, "changes an attribute";
    utime              132   - => EROFS, "changes times";
    utimensat          280  88 => EROFS, "changes times";
    utimes             235   - => EROFS, "changes times";
}

// A hard link changes the file that it is made of, wherever the link stands. A symbolic link in
// scratch would be harmless; no diagnostic tool makes one.
calls! { WRITE: Write;
    creat               85   - => EPERM, "open(2) serves";
    link                86   - => EPERM, "changes the linked file; the answer of FAT, which tools expect";
    linkat             265  37 => EPERM, "changes the linked file; the answer of FAT, which tools expect";
    symlink             88   - => EROFS, "no reader makes one";
    symlinkat          266  36 => EROFS, "no reader makes one";
    truncate            76  45 => EROFS, "ftruncate(2) serves scratch files";
    ustat              136   - => EPERM, "statfs(2) serves";
}

// What a box may write lies in memory, where these do nothing. On a host's file, open for reading,
// they start writes to its disk, or hold up its writers.
calls! { LOCKS: Locks;
    fdatasync           75  83 => PRETEND, "forces writes to the host's disk";
    flock               73  32 => PRETEND, "would hold up the host's own writers; refused, it breaks rpm and apt";
    fsync               74  82 => PRETEND, "forces writes to the host's disk";
    msync               26 227 => PRETEND, "forces writes to the host's disk";
    sync               162  81 => PRETEND, "forces writes to every disk of the host";
    sync_file_range    277  84 => PRETEND, "forces writes to the host's disk";
    syncfs             306 267 => PRETEND, "forces writes to the host's disk";
}

calls! { NEWER: Newer;
    clone3             435 435 => ENOSYS, "its flags lie behind a pointer; libc falls back to clone(2)";
    copy_file_range    326 285 => ENOSYS, "cat and cp fall back to read(2) and write(2)";
    landlock_add_rule  445 445 => ENOSYS, "xz goes on without a sandbox of its own";
    landlock_create_ruleset 444 444 => ENOSYS, "xz goes on without a sandbox of its own";
    landlock_restrict_self 446 446 => ENOSYS, "xz goes on without a sandbox of its own";
    listmount          458 458 => ENOSYS, "findmnt falls back to mountinfo, where the host's is bound";
    preadv2            327 286 => ENOSYS, "programs fall back to pread(2)";
    pwritev2           328 287 => ENOSYS, "programs fall back to pwrite(2)";
    sendfile            40  71 => ENOSYS, "Go programs and busybox fall back to read(2) and write(2)";
    splice             275  76 => ENOSYS, "shares pages between files and pipes (CVE-2022-0847); uutils falls back";
    statmount          457 457 => ENOSYS, "findmnt falls back to mountinfo, where the host's is bound";
    tee                276  77 => ENOSYS, "shares pages between pipes";
    vmsplice           278  75 => ENOSYS, "shares pages between memory and pipes";
}

calls! { MEMORY: Memory;
    mbind              237 235 => EPERM, "moves pages between nodes";
    membarrier         324 283 => EPERM, "interrupts other processors; musl and .NET go on without";
    memfd_create       319 279 => EPERM, "a file outside Landlock's reach, which could be executed";
    memfd_secret       447 447 => ENOSYS, "takes memory from the host's direct map";
    mlock              149 228 => EPERM, "pins memory of the host";
    mlock2             325 284 => EPERM, "pins memory of the host";
    mlockall           151 230 => EPERM, "pins memory of the host";
    modify_ldt         154   - => EPERM, "16-bit segments; kernel bugs";
    munlock            150 229 => EPERM, "useless without mlock(2)";
    munlockall         152 231 => EPERM, "useless without mlockall(2)";
    set_mempolicy      238 237 => EPERM, "moves pages between nodes";
    userfaultfd        323 282 => EPERM, "stops the kernel in the middle of a copy; kernel bugs";
}

calls! { PROCESSES: Processes;
    personality        135  92 => EPERM, "no address randomisation, READ_IMPLIES_EXEC";
    process_madvise    440 440 => ENOSYS, "another process's memory";
    process_mrelease   448 448 => ENOSYS, "another process's memory";
    seccomp            317 277 => EINVAL, "its own killing filters would write to the host's log; man goes on without";
    setsid             112 157 => EPERM, "a daemon's first step; the session is the box's";
    uselib             134   - => EPERM, "maps a program as a library";
}

calls! { WATCH: Watch;
    bpf                321 280 => EPERM, "programs in the kernel";
    fanotify_init      300 262 => EPERM, "can hold up the host's opens";
    fanotify_mark      301 263 => EPERM, "can hold up the host's opens";
    inotify_add_watch  254  27 => EPERM, "uses up the user's watches; tail -f polls instead";
    inotify_init       253   - => EPERM, "uses up the user's watches; tail -f polls instead";
    inotify_init1      294  26 => EPERM, "uses up the user's watches; tail -f polls instead";
    inotify_rm_watch   255  28 => EPERM, "useless without the others";
    io_uring_enter     426 426 => ENOSYS, "makes calls that no filter sees";
    io_uring_register  427 427 => ENOSYS, "makes calls that no filter sees";
    io_uring_setup     425 425 => ENOSYS, "makes calls that no filter sees";
    kcmp               312 272 => EPERM, "compares other processes' kernel pointers";
    lookup_dcookie     212  18 => ENOSYS, "paths by number, past every hidden directory";
    name_to_handle_at  303 264 => EPERM, "the first half of open_by_handle_at(2)";
    open_by_handle_at  304 265 => EPERM, "opens a file past every mask and mount";
    perf_event_open    298 241 => EPERM, "samples the host; kernel bugs";
    pidfd_getfd        438 438 => ENOSYS, "takes another process's descriptors";
    pidfd_open         434 434 => ENOSYS, "a handle on another process";
    process_vm_readv   310 270 => EPERM, "reads another process's memory";
    process_vm_writev  311 271 => EPERM, "writes another process's memory";
    ptrace             101 117 => EPERM, "controls another process";
}

calls! { SIGNALS: Signals;
    pidfd_send_signal  424 424 => ENOSYS, "kill(2) serves inside the box";
    rt_sigqueueinfo    129 138 => EPERM, "kill(2) serves inside the box";
    rt_tgsigqueueinfo  297 240 => EPERM, "tgkill(2) serves inside the box";
}

// Without a pid namespace each of these reaches the user's other processes.
calls! { SCHEDULING: Scheduling;
    ioprio_set         251  30 => EPERM, "another process's disk priority";
    migrate_pages      256 238 => EPERM, "moves another process's pages";
    move_pages         279 239 => EPERM, "moves another process's pages";
    sched_setaffinity  203 122 => EPERM, "another process's processors";
    sched_setattr      314 274 => EPERM, "another process's priority";
    sched_setparam     142 118 => EPERM, "another process's priority";
    sched_setscheduler 144 119 => EPERM, "another process's priority";
    setpriority        141 140 => EPERM, "another process's priority; nice goes on with a warning";
    setrlimit          160 164 => EPERM, "prlimit64(2) serves, and its arguments are looked at";
}

calls! { CREDENTIALS: Credentials;
    capset             126  91 => PRETEND, "drops capabilities, and there are none; refused, `ip` ends without a word";
    setfsgid           123 152 => EPERM, "changes groups";
    setfsuid           122 151 => EPERM, "changes users";
    setgid             106 144 => EPERM, "changes groups";
    setgroups          116 159 => EPERM, "changes groups";
    setregid           114 143 => EPERM, "changes groups";
    setresgid          119 149 => EPERM, "changes groups";
    setresuid          117 147 => EPERM, "changes users";
    setreuid           113 145 => EPERM, "changes users";
    setuid             105 146 => EPERM, "changes users";
}

calls! { SOCKETS: Sockets;
    accept              43 202 => EACCES, "waits for the network";
    accept4            288 242 => EACCES, "waits for the network";
    connect             42 203 => EACCES, "reaches the network, or a daemon on the host";
    listen              50 201 => EACCES, "waits for the network";
    recvmmsg           299 243 => EPERM, "serves datagrams";
    sendmmsg           307 269 => EPERM, "serves datagrams";
}

// The host's IPC namespace: every object in it is another program's, or would outlive the call.
calls! { IPC: Ipc;
    add_key            248 217 => EPERM, "keyrings are the user's, outside as inside";
    keyctl             250 219 => EPERM, "keyrings are the user's, outside as inside";
    mq_getsetattr      245 185 => EPERM, "the host's queues";
    mq_notify          244 184 => EPERM, "the host's queues";
    mq_open            240 180 => EPERM, "the host's queues";
    mq_timedreceive    243 183 => EPERM, "takes a host's message";
    mq_timedsend       242 182 => EPERM, "the host's queues";
    mq_unlink          241 181 => EPERM, "the host's queues";
    msgget              68 186 => EPERM, "makes a queue that outlives the call";
    msgrcv              70 188 => EPERM, "takes a host's message";
    msgsnd              69 189 => EPERM, "the host's queues";
    request_key        249 218 => EPERM, "starts a program of the host as root";
    semget              64 190 => EPERM, "makes semaphores that outlive the call";
    semop               65 193 => EPERM, "the host's semaphores";
    semtimedop         220 192 => EPERM, "the host's semaphores";
    shmat               30 196 => EPERM, "the host's memory; keeps a segment alive";
    shmdt               67 197 => EPERM, "useless without shmat(2)";
    shmget              29 194 => EPERM, "makes memory that outlives the call";
}

calls! { MOUNTS: Mounts;
    chroot             161  51 => EPERM, "another root";
    fsconfig           431 431 => ENOSYS, "mounts";
    fsmount            432 432 => ENOSYS, "mounts";
    fsopen             430 430 => ENOSYS, "mounts";
    fspick             433 433 => ENOSYS, "mounts";
    mount              165  40 => EPERM, "mounts; could make the box writable";
    mount_setattr      442 442 => ENOSYS, "mounts; could make the box writable";
    move_mount         429 429 => ENOSYS, "mounts; could take a mask away";
    open_tree          428 428 => ENOSYS, "mounts; could open what lies under a mask";
    open_tree_attr     467 467 => ENOSYS, "mounts; could open what lies under a mask";
    pivot_root         155  41 => EPERM, "another root";
    setns              308 268 => EPERM, "another namespace";
    umount2            166  39 => EPERM, "could take a mask away";
    unshare            272  97 => EPERM, "a new user namespace has every capability";
}

calls! { HOST: Host;
    _sysctl            156   - => EPERM, "kernel parameters";
    acct               163  89 => EPERM, "process accounting";
    adjtimex           159 171 => EPERM, "the host's clock";
    clock_adjtime      305 266 => EPERM, "the host's clock";
    clock_settime      227 112 => EPERM, "the host's clock";
    create_module      174   - => EPERM, "kernel modules";
    delete_module      176 106 => EPERM, "kernel modules";
    finit_module       313 273 => EPERM, "kernel modules";
    get_kernel_syms    177   - => EPERM, "kernel modules";
    init_module        175 105 => EPERM, "kernel modules";
    ioperm             173   - => EPERM, "the host's ports";
    iopl               172   - => EPERM, "the host's ports";
    kexec_file_load    320 294 => EPERM, "another kernel";
    kexec_load         246 104 => EPERM, "another kernel";
    query_module       178   - => EPERM, "kernel modules";
    quotactl           179  60 => EPERM, "disk quotas";
    quotactl_fd        443 443 => ENOSYS, "disk quotas";
    reboot             169 142 => EPERM, "the host's power";
    setdomainname      171 162 => EPERM, "the host's name";
    sethostname        170 161 => EPERM, "the host's name";
    settimeofday       164 170 => EPERM, "the host's clock";
    swapoff            168 225 => EPERM, "the host's swap";
    swapon             167 224 => EPERM, "the host's swap";
    vhangup            153  58 => EPERM, "the caller's terminal";
}
