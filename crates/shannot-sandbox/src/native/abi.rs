//! The kernel's types that the bare calls of [`super::sys`] take and give.

#![expect(clippy::cast_possible_truncation, reason = "the kernel's values fit theirs")]

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::sync::atomic::AtomicI32;

/// An error number as the kernel returned it, `errno(3)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl From<Errno> for std::io::Error {
    fn from(e: Errno) -> Self {
        Self::from_raw_os_error(e.0)
    }
}

/// The result of a system call.
pub(crate) type Sys<T = ()> = Result<T, Errno>;

/// What a system call has returned.
pub(super) fn result(ret: isize) -> Sys<usize> {
    // The kernel's errors are -1 to -4095; everything else is a value.
    if (-4095..0).contains(&ret) {
        return Err(Errno(-ret as i32));
    }
    Ok(ret.cast_unsigned())
}

/// A bare file descriptor number. Children work with numbers: ownership stays with the parent,
/// whose table a child only has a copy of.
pub(crate) type Fd = c_int;

/// A return value as a descriptor or process id, which it is below 2^31.
pub(super) fn as_fd(n: usize) -> Fd {
    n as Fd
}

/// A signal mask, as the kernel has it: one bit a signal.
pub(crate) type SignalMask = u64;

/// How a child ended and what it used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reaped {
    /// Its process id.
    pub(crate) pid: i32,
    /// Its status, as `wait4(2)` encodes it.
    pub(crate) status: i32,
}

impl Reaped {
    /// From a `siginfo_t`, as `waitid(2)` fills it in; `None` for one that tells of no child.
    pub(super) fn of_siginfo(info: &[i32; 32]) -> Option<Self> {
        // signo, errno, code, padding, pid, uid, status.
        let [_, _, code, _, pid, _, status, ..] = *info;
        let status = match code {
            libc::CLD_EXITED => (status & 0xff) << 8,
            libc::CLD_DUMPED => status | 0x80,
            _ => status,
        };
        (pid != 0).then_some(Self { pid, status })
    }
}

/// What version 3 of `capset(2)` reads: two structs of effective, permitted and inheritable, with
/// the low words, then the high ones.
pub(super) const fn capability_words(permitted: u64, inheritable: u64) -> [u32; 6] {
    let [low, high] = [permitted as u32, (permitted >> 32) as u32];
    [low, low, inheritable as u32, high, high, (inheritable >> 32) as u32]
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
pub(super) struct PathBeneath {
    pub(super) allowed_access: u64,
    pub(super) parent_fd: c_int,
}

/// `struct landlock_ruleset_attr` of ABI 6; older kernels are given its first fields only.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RulesetAttr {
    pub(crate) handled_access_fs: u64,
    pub(crate) handled_access_net: u64,
    pub(crate) scoped: u64,
}

/// No flags, no namespaces, nothing asked for.
pub(crate) const NO_CLONE_ARGS: libc::clone_args = libc::clone_args {
    flags: 0,
    pidfd: 0,
    child_tid: 0,
    parent_tid: 0,
    exit_signal: 0,
    stack: 0,
    stack_size: 0,
    tls: 0,
    set_tid: 0,
    set_tid_size: 0,
    cgroup: 0,
};

/// What `clone(2)` takes as its flags, its stack and its parent's copy of the id, for a child whose
/// signal handlers are all blocked until it resets them, and whose pidfd is opened afterwards.
///
/// # Errors
/// `ENOSYS` for what it cannot do.
pub(super) fn old_clone_args(args: &libc::clone_args) -> Sys<[usize; 3]> {
    let pidfd = u64::from(libc::CLONE_PIDFD.cast_unsigned());
    let flags = args.flags & !CLONE_CLEAR_SIGHAND & !pidfd;
    if flags > u64::from(u32::MAX) {
        return Err(Errno(libc::ENOSYS));
    }
    let words = [flags | args.exit_signal, args.stack + args.stack_size, args.parent_tid];
    // An address is as wide as this.
    Ok(words.map(|word| usize::try_from(word).unwrap_or(usize::MAX)))
}

/// Linux 5.5; above what libc's `c_int` constants carry, as is the next.
pub(crate) const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
/// Linux 5.7.
pub(crate) const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// Memory for a child to run on.
pub(crate) type Stack = Box<[MaybeUninit<u128>]>;

/// 96 KiB, less than what malloc maps by itself: the stack of the box's first process with, inside
/// it, that of the commands it starts.
pub(crate) const BOX_STACK: usize = 6144;

/// Where the kernel writes the first process's id, as the parent's pid namespace counts, before
/// that process runs (`CLONE_PARENT_SETTID`). Zero until then.
pub(crate) type ChildPid = AtomicI32;
