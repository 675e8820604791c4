//! The calls whose answer depends on their arguments or on the filter.
//!
//! Every comparison here looks at the lower half of an argument only, because the kernel takes
//! each of them as `int` or `unsigned int` and drops the upper half: a filter that compared 64
//! bits would refuse `TIOCSTI` and pass `TIOCSTI | 1 << 32`, which is the same call
//! (CVE-2019-10063). Where both halves count, a comment says so.

use super::decision::{Decision, Word, switch};
use super::{Action, Errno, Exec, Filter, Network, Unheld};

use Word::{High, Low};

/// A rule about one system call's arguments, or about what the filter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// `bind`: for netlink sockets.
    Bind,
    /// `clone`: threads; processes where the filter lets them; no namespace.
    Clone,
    /// `execve`: where programs are listed.
    Execve,
    /// `execveat`: where programs are listed, or the one exec that starts the program.
    Execveat,
    /// `fadvise64`: all advice but the one that empties the host's page cache.
    Fadvise,
    /// `fcntl`: descriptors and their flags; locks are answered and not taken.
    Fcntl,
    /// `fork`, `vfork`: where the filter lets processes be made.
    Fork,
    /// `futex`: all but taking waiters away from a word that others share.
    Futex,
    /// `ioctl`: a list of questions.
    Ioctl,
    /// `kill`, `tkill`, `tgkill`: where Landlock keeps signals inside the box, or a namespace does.
    Kill,
    /// `msgctl`: its questions.
    Msgctl,
    /// `open`: not to empty a file, where Landlock lets that be done.
    Open,
    /// `openat`: the same.
    Openat,
    /// `openat2`, whose flags a filter cannot see: only where Landlock sees to them.
    Openat2,
    /// `prctl`: a list of questions, and what a program says about itself.
    Prctl,
    /// `prlimit64`: the process's own limits, but not the one for core dumps.
    Prlimit,
    /// `semctl`: its questions.
    Semctl,
    /// `setsockopt`: buffers and netlink's own options.
    Setsockopt,
    /// `shmctl`: its questions.
    Shmctl,
    /// `socket`: netlink for routes and socket tables, where the filter lets it.
    Socket,
    /// `socketpair`: connected pairs, where no socket can be bound.
    Socketpair,
    /// `syslog`: reading the kernel's log without clearing it, where the filter lets it.
    Syslog,
}

const ALLOW: Action = Action::Allow;
const EACCES: Action = Action::Errno(Errno::EACCES);
const EINVAL: Action = Action::Errno(Errno::EINVAL);
const ENOSYS: Action = Action::Errno(Errno::ENOSYS);
const ENOTTY: Action = Action::Errno(Errno::ENOTTY);
const EPERM: Action = Action::Errno(Errno::EPERM);
const EROFS: Action = Action::Errno(Errno::EROFS);
const PRETEND: Action = Action::Pretend;

impl Check {
    pub(super) fn decision(self, filter: &Filter) -> Decision {
        match self {
            Self::Bind => bind(filter),
            Self::Clone => clone(filter),
            Self::Execve => execve(filter),
            Self::Execveat => execveat(filter),
            Self::Fadvise => fadvise(),
            Self::Fcntl => fcntl(),
            Self::Fork => (if filter.may_fork() { ALLOW } else { EPERM }).into(),
            Self::Futex => futex(),
            Self::Ioctl => ioctl(),
            Self::Kill => (if filter.unheld == Unheld::Nothing { ALLOW } else { EPERM }).into(),
            Self::Msgctl => msgctl(),
            Self::Open => open(filter, 1),
            Self::Openat => open(filter, 2),
            Self::Openat2 => openat2(filter),
            Self::Prctl => prctl(),
            Self::Prlimit => prlimit(),
            Self::Semctl => semctl(),
            Self::Setsockopt => setsockopt(),
            Self::Shmctl => shmctl(),
            Self::Socket => socket(filter),
            Self::Socketpair => socketpair(filter),
            Self::Syslog => syslog(filter),
        }
    }
}

/// Netlink sockets are bound before use. Where there are none, nothing is: a pair's end could
/// otherwise be bound to an abstract name of the host's network namespace, and a daemon that
/// needs that name would not start.
fn bind(filter: &Filter) -> Decision {
    match filter.network {
        Network::None => EACCES.into(),
        Network::Tables => ALLOW.into(),
    }
}

const CLONE_VM: u32 = 0x100;
const CLONE_THREAD: u32 = 0x1_0000;

/// `CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}`: a new user namespace would give the caller every
/// capability inside it.
const CLONE_NEW: u32 = 0x7E02_0000;
/// `CLONE_NEWTIME`. In `clone` this bit belongs to the signal at the child's end and makes no
/// namespace; no signal has it, so refusing it costs nothing and holds if that ever changes.
const CLONE_NEWTIME: u32 = 0x80;
/// `CLONE_PTRACE` (a tracer would get the child) and `CLONE_PARENT` (the child would be the
/// child of our own init or supervisor, which must not wait for what it did not start).
const CLONE_KIN: u32 = 0x2000 | 0x8000;

/// The flags are `unsigned long`, but every flag that `clone` knows lies in the lower half, and
/// the kernel itself drops the upper one.
fn clone(filter: &Filter) -> Decision {
    let never = CLONE_NEW | CLONE_NEWTIME | CLONE_KIN;
    let thread = CLONE_VM | CLONE_THREAD;
    if filter.may_fork() {
        switch(Low(0)).masked(never).is(&[0], ALLOW).otherwise(EPERM)
    } else {
        switch(Low(0)).masked(never | thread).is(&[thread], ALLOW).otherwise(EPERM)
    }
}

fn execve(filter: &Filter) -> Decision {
    match filter.exec {
        Exec::Listed | Exec::ByAnother => ALLOW.into(),
        Exec::Once { .. } => EACCES.into(),
    }
}

const AT_EMPTY_PATH: u32 = 0x1000;

/// See [`super::Ticket`] for the attack that the last two comparisons stop. The ticket is a number
/// of ours and no argument of the call, so both of its halves count.
fn execveat(filter: &Filter) -> Decision {
    let (fd, ticket) = match filter.exec {
        Exec::Once { fd, ticket } => (fd, ticket),
        Exec::Listed => return ALLOW.into(),
        Exec::ByAnother => return EACCES.into(),
    };
    let ticketed = ticket.halves().into_iter().fold(ALLOW.into(), |then: Decision, half| {
        switch(half.word).is(&[half.value], then).otherwise(EACCES)
    });
    let flags = switch(Low(4)).is(&[AT_EMPTY_PATH], ticketed).otherwise(EACCES);
    switch(Low(0)).is(&[fd], flags).otherwise(EACCES)
}

/// `POSIX_FADV_DONTNEED` drops a host file's pages from memory, if only because the caller may
/// read the file: a busy database would read its files from the disk again. Reading programs say
/// it as a courtesy, so it answers success.
fn fadvise() -> Decision {
    const POSIX_FADV_DONTNEED: u32 = 4;
    switch(Low(3)).is(&[POSIX_FADV_DONTNEED], PRETEND).otherwise(ALLOW)
}

mod fcntl_commands {
    //! From `fcntl.h` of Linux; the same on both machines.

    pub(super) const ALLOWED: &[u32] = &[
        0,    // F_DUPFD: shells
        1,    // F_GETFD: find, git
        2,    // F_SETFD
        3,    // F_GETFL: shells, Go programs
        4,    // F_SETFL
        5,    // F_GETLK: lslocks, sqlite3
        36,   // F_OFD_GETLK
        1027, // F_DUPFD_QUERY: systemd tools
        1030, // F_DUPFD_CLOEXEC: findmnt, lsblk
        1032, // F_GETPIPE_SZ: pv
    ];
    /// `F_SETLK`, `F_SETLKW`, `F_OFD_SETLK`, `F_OFD_SETLKW`.
    pub(super) const LOCKS: &[u32] = &[6, 7, 37, 38];
}

/// Taking a lock would hold up the host's own writers: dpkg, cron and iptables wait on locks that
/// anyone who can read the file can take. Refusing it breaks sqlite and rpm. So a lock is
/// answered with success and not taken.
///
/// Refused among others: `F_SETLEASE` and `F_SETDELEG` (hold up writers), `F_NOTIFY` (watches
/// directories), `F_SETOWN`, `F_SETOWN_EX` and `F_SETSIG` (send signals), `F_SETPIPE_SZ` (resizes
/// a FIFO of the host).
fn fcntl() -> Decision {
    switch(Low(1))
        .is(fcntl_commands::ALLOWED, ALLOW)
        .is(fcntl_commands::LOCKS, PRETEND)
        .otherwise(EPERM)
}

/// A futex that is not `FUTEX_PRIVATE_FLAG` and lies in a mapped file is one with that of every
/// other process that maps the file, and the right to read the file is enough to requeue it: the
/// host's waiters on a semaphore or mutex there are moved to a word that nobody wakes. libcs
/// requeue private ones only, or not at all.
fn futex() -> Decision {
    const FUTEX_CLOCK_REALTIME: u32 = 256;
    // FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI.
    const REQUEUES: &[u32] = &[3, 4, 11, 12];
    switch(Low(1)).masked(!FUTEX_CLOCK_REALTIME).is(REQUEUES, ENOSYS).otherwise(ALLOW)
}

mod ioctl_requests {
    //! From `asm-generic/ioctls.h`, `linux/fs.h`, `linux/fiemap.h` and `linux/nsfs.h`; the same on
    //! both machines.

    pub(super) const ALLOWED: &[u32] = &[
        0x5401,      // TCGETS: isatty(3), before any output
        0x540F,      // TIOCGPGRP: bash
        0x5413,      // TIOCGWINSZ: ls, ps
        0x541B,      // FIONREAD: less
        0x5421,      // FIONBIO: Node.js
        0x5450,      // FIONCLEX
        0x5451,      // FIOCLEX: Rust, Python
        0x802C_542A, // TCGETS2: isatty(3) of glibc 2.42
        0x0002,      // FIGETBSZ: filefrag
        0x8008_6601, // FS_IOC_GETFLAGS: lsattr, journalctl
        0x801C_581F, // FS_IOC_FSGETXATTR: lsattr -p
        0xC020_660B, // FS_IOC_FIEMAP: filefrag
        0xB701,      // NS_GET_USERNS: lsns
        0xB702,      // NS_GET_PARENT: lsns
        0xB703,      // NS_GET_NSTYPE: lsns
        0xB704,      // NS_GET_OWNER_UID: lsns
    ];
    /// `TIOCSTI`, `TIOCLINUX` (type into the caller's terminal), `TIOCSETD` (loads line
    /// disciplines): `EPERM`, so that a probe sees a refusal.
    pub(super) const TERMINAL: &[u32] = &[0x5412, 0x541C, 0x5423];
    /// `FS_IOC_SETFLAGS`, `FS_IOC_FSSETXATTR`: chattr. The file's owner needs no more than a
    /// descriptor for reading.
    pub(super) const METADATA: &[u32] = &[0x4008_6602, 0x401C_5820];
}

/// What is not listed is not only terminals: `FIDEDUPERANGE` and `FS_IOC_ENABLE_VERITY` change a
/// file that is open for reading, and the interface ioctls (`SIOC*`) work on any socket.
fn ioctl() -> Decision {
    switch(Low(1))
        .is(ioctl_requests::ALLOWED, ALLOW)
        .is(ioctl_requests::TERMINAL, EPERM)
        .is(ioctl_requests::METADATA, EROFS)
        .otherwise(ENOTTY)
}

const IPC_STAT: u32 = 2;
const IPC_INFO: u32 = 3;

/// The commands come without the old `IPC_64` bit (0x100) on both machines. The tools read most
/// of what they show from `/proc/sysvipc`, except for summaries, single semaphores and busybox.
fn msgctl() -> Decision {
    // MSG_STAT, MSG_INFO, MSG_STAT_ANY.
    switch(Low(1)).within(IPC_STAT..=IPC_INFO, ALLOW).within(11..=13, ALLOW).otherwise(EPERM)
}

fn shmctl() -> Decision {
    // SHM_STAT, SHM_INFO, SHM_STAT_ANY.
    switch(Low(1)).within(IPC_STAT..=IPC_INFO, ALLOW).within(13..=15, ALLOW).otherwise(EPERM)
}

fn semctl() -> Decision {
    // GETPID, GETVAL, GETALL, GETNCNT, GETZCNT; then SEM_STAT, SEM_INFO, SEM_STAT_ANY.
    switch(Low(2))
        .within(IPC_STAT..=IPC_INFO, ALLOW)
        .within(11..=15, ALLOW)
        .within(18..=20, ALLOW)
        .otherwise(EPERM)
}

/// `O_RDONLY | O_TRUNC` empties a file that its user may write, and Landlock before ABI 3 asks only
/// for the right to read.
fn open(filter: &Filter, flags: u8) -> Decision {
    const O_TRUNC: u32 = 0o1000;
    if filter.unheld < Unheld::SignalsAndTruncation {
        return ALLOW.into();
    }
    switch(Low(flags)).masked(O_TRUNC).is(&[0], ALLOW).otherwise(EROFS)
}

/// Its flags lie in memory. Programs fall back to `openat`, as on kernels before 5.6.
fn openat2(filter: &Filter) -> Decision {
    (if filter.unheld < Unheld::SignalsAndTruncation { ALLOW } else { ENOSYS }).into()
}

mod prctl_options {
    //! From `linux/prctl.h`.

    pub(super) const ALLOWED: &[u32] = &[
        3,           // PR_GET_DUMPABLE: bash, perl
        15,          // PR_SET_NAME: every program with named threads
        16,          // PR_GET_NAME
        21,          // PR_GET_SECCOMP: libcap
        23,          // PR_CAPBSET_READ: libcap (ls, ps, ip)
        27,          // PR_GET_SECUREBITS: libcap
        38,          // PR_SET_NO_NEW_PRIVS: is set already
        39,          // PR_GET_NO_NEW_PRIVS: libcap
        51,          // PR_SVE_GET_VL: the JVM on arm64
        0x5356_4D41, // PR_SET_VMA: names memory in glibc, Go, Node.js
    ];
    /// `PR_SET_SECCOMP`: the answer of a kernel that has no filters, so that programs which sandbox
    /// themselves (man, file) go on without.
    pub(super) const SECCOMP: &[u32] = &[22];
}

/// Refused among others: `PR_SET_PDEATHSIG`, `PR_SET_CHILD_SUBREAPER` (outlive the call),
/// `PR_SET_DUMPABLE`, `PR_SET_PTRACER` (open a process to others), `PR_SET_MM` (forge a command
/// line that `ps` shows).
fn prctl() -> Decision {
    switch(Low(0))
        .is(prctl_options::ALLOWED, ALLOW)
        .is(prctl_options::SECCOMP, EINVAL)
        .otherwise(EPERM)
}

/// Another process's limits are closed: with the host's processes in view, a pid of the same user
/// may be a host's. Limits of one's own can only be lowered, and that harms nobody, but for one:
/// with `RLIMIT_CORE` at 0 a crash starts the host's piped core handler, as root; at 1, which is
/// what the box has, it does not. Programs that set it to 0 mean to hide their memory, so they are
/// told that it was done.
fn prlimit() -> Decision {
    const RLIMIT_CORE: u32 = 4;
    // The new limit is a pointer: it is absent only if both halves are zero.
    let absent = switch(High(2)).is(&[0], ALLOW).otherwise(PRETEND);
    let core = switch(Low(2)).is(&[0], absent).otherwise(PRETEND);
    let own = switch(Low(1)).is(&[RLIMIT_CORE], core).otherwise(ALLOW);
    switch(Low(0)).is(&[0], own).otherwise(EPERM)
}

const SOL_SOCKET: u32 = 1;
const SOL_NETLINK: u32 = 270;

/// `SO_ATTACH_FILTER` and its kin hand programs to the kernel's own compiler; no reader of tables
/// needs them.
fn setsockopt() -> Decision {
    const SO_SNDBUF: u32 = 7;
    const SO_RCVBUF: u32 = 8;
    let socket = switch(Low(2)).is(&[SO_SNDBUF, SO_RCVBUF], ALLOW).otherwise(EPERM);
    switch(Low(1)).is(&[SOL_SOCKET], socket).is(&[SOL_NETLINK], ALLOW).otherwise(EPERM)
}

const AF_UNIX: u32 = 1;
const AF_NETLINK: u32 = 16;

/// Netlink takes any type that it knows, so the type is not looked at. `GENERIC` and the other
/// protocols are closed: nothing here needs them, and asking `GENERIC` for a family loads kernel
/// modules. `EACCES` reads "Permission denied" in every tool; no family may answer otherwise, lest
/// a program think that the host lacks IPv6.
fn socket(filter: &Filter) -> Decision {
    const NETLINK_ROUTE: u32 = 0;
    const NETLINK_SOCK_DIAG: u32 = 4;
    match filter.network {
        Network::None => EACCES.into(),
        Network::Tables => {
            let protocol =
                switch(Low(2)).is(&[NETLINK_ROUTE, NETLINK_SOCK_DIAG], ALLOW).otherwise(EACCES);
            switch(Low(0)).is(&[AF_NETLINK], protocol).otherwise(EACCES)
        }
    }
}

/// A pair that is connected for good (`STREAM`, `SEQPACKET`) is a pipe. One end of a `DGRAM` pair
/// can `sendto` any listener of the host by its path, the journal's for example. Above the type
/// stand the flags `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
///
/// Where `bind` is open for netlink, pairs are closed: see [`bind`].
fn socketpair(filter: &Filter) -> Decision {
    const SOCK_TYPE_MASK: u32 = 0xF;
    const SOCK_STREAM: u32 = 1;
    const SOCK_SEQPACKET: u32 = 5;
    match filter.network {
        Network::None => {
            let kind = switch(Low(1))
                .masked(SOCK_TYPE_MASK)
                .is(&[SOCK_STREAM, SOCK_SEQPACKET], ALLOW)
                .otherwise(EACCES);
            switch(Low(0)).is(&[AF_UNIX], kind).otherwise(EACCES)
        }
        Network::Tables => EACCES.into(),
    }
}

/// `SYSLOG_ACTION_READ` (2) takes lines away from the host's log daemon, 4 and 5 clear, 6 to 8 turn
/// the console off and on: only `READ_ALL` and `SIZE_BUFFER` look.
fn syslog(filter: &Filter) -> Decision {
    const SYSLOG_ACTION_READ_ALL: u32 = 3;
    const SYSLOG_ACTION_SIZE_BUFFER: u32 = 10;
    if filter.kernel_log {
        let reads = &[SYSLOG_ACTION_READ_ALL, SYSLOG_ACTION_SIZE_BUFFER];
        switch(Low(0)).is(reads, ALLOW).otherwise(EPERM)
    } else {
        EPERM.into()
    }
}
