//! The one module with `unsafe`: a wrapper for each system call that the box needs and that no
//! library offers in a form fit for a child that shares its parent's memory. [`mod@clone`] starts
//! such children.
//!
//! Such a child (`CLONE_VM`) must not touch `errno`, the heap, a lock or any other state of the
//! parent's threads. So every call here is made by the bare instruction, returns its error as a
//! value, and takes only what the parent prepared before the clone. Callers keep the same rule;
//! see [`super::enter`].

#![expect(unsafe_code, reason = "the only module that may")]
#![expect(clippy::cast_possible_truncation, reason = "this engine is for 64 bits only")]

mod clone;

use core::arch::asm;
use core::ffi::{CStr, c_char, c_int};
use core::ptr;
use std::os::fd::{FromRawFd, OwnedFd};

pub(crate) use super::abi::{ChildPid, Errno, Fd, Reaped, RulesetAttr, SignalMask, Sys};
use super::abi::{PathBeneath, as_fd, capability_words, result};
use super::strings::StringArray;
use crate::attack::Attempt;
pub(crate) use clone::{Asked, Birth, BoxProcess, Inbox, start_launcher, start_stage};

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the native engine has been proved on x86-64 only");

/// `AT_FDCWD`: relative paths start at the working directory; all paths here are absolute.
const CWD: isize = libc::AT_FDCWD as isize;
/// What the calls on signals take as the size of a mask.
const MASK_SIZE: isize = size_of::<SignalMask>().cast_signed();

/// Makes one system call; arguments not given are zero, which the kernel takes as "none" where it
/// would take a pointer.
///
/// # Safety
/// As the call itself demands: every pointer argument must be valid for what the kernel does
/// with it.
#[inline(always)]
unsafe fn call<const N: usize>(nr: libc::c_long, args: [isize; N]) -> Sys<usize> {
    const { assert!(N <= 6, "no system call takes more") };
    let mut a = [0isize; 6];
    a[..N].copy_from_slice(&args);
    let ret: isize;
    // SAFETY: the kernel clobbers only rax, rcx and r11; what it does to memory is the caller's
    // promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") nr as isize => ret,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    result(ret)
}

/// A call whose arguments are all numbers: whatever they are, the kernel touches no memory of
/// this process through them.
macro_rules! numbers {
    ($nr:expr $(, $arg:expr)*) => {
        // SAFETY: no argument is a pointer to the kernel.
        unsafe { call($nr, [$($arg as isize),*]) }
    };
}

/// Reads bytes into `buf`, `read(2)`.
pub(crate) fn read(fd: Fd, buf: &mut [u8]) -> Sys<usize> {
    let a = [fd as isize, buf.as_mut_ptr() as isize, buf.len().cast_signed()];
    // SAFETY: the kernel writes at most `buf.len()` bytes into `buf`, which is borrowed mutably.
    unsafe { call(libc::SYS_read, a) }
}

/// Writes bytes, `write(2)`.
pub(crate) fn write(fd: Fd, buf: &[u8]) -> Sys<usize> {
    let a = [fd as isize, buf.as_ptr() as isize, buf.len().cast_signed()];
    // SAFETY: the kernel reads at most `buf.len()` bytes of `buf`.
    unsafe { call(libc::SYS_write, a) }
}

/// Opens a path, `openat(2)`.
pub(crate) fn open(path: &CStr, flags: c_int) -> Sys<Fd> {
    open_at(libc::AT_FDCWD, path, flags)
}

/// Opens a path from a directory, `openat(2)`.
pub(crate) fn open_at(dir: Fd, path: &CStr, flags: c_int) -> Sys<Fd> {
    let a = [dir as isize, path.as_ptr() as isize, flags as isize];
    // SAFETY: `path` ends with a NUL and outlives the call.
    unsafe { call(libc::SYS_openat, a) }.map(as_fd)
}

/// Closes a descriptor of this process's own table, `close(2)`.
pub(crate) fn close(fd: Fd) {
    // The descriptor is gone whatever close answers.
    let _ = numbers!(libc::SYS_close, fd);
}

/// Duplicates `old` to exactly `new`, `dup3(2)`.
pub(crate) fn dup3(old: Fd, new: Fd, flags: c_int) -> Sys {
    numbers!(libc::SYS_dup3, old, new, flags).map(drop)
}

/// Takes the close-on-exec mark from a descriptor, `fcntl(2)` with `F_SETFD`.
pub(crate) fn keep_open(fd: Fd) -> Sys {
    numbers!(libc::SYS_fcntl, fd, libc::F_SETFD, 0).map(drop)
}

/// Closes, or marks close-on-exec, the descriptors from `first` to `last`, `close_range(2)`
/// (Linux 5.9; the flag `CLOSE_RANGE_CLOEXEC` 5.11).
pub(crate) fn close_range(first: u32, last: u32, flags: u32) -> Sys {
    numbers!(libc::SYS_close_range, first, last, flags).map(drop)
}

/// Waits until one of `fds` is readable or hung up, at most that many seconds, `ppoll(2)`.
pub(crate) fn poll(fds: &mut [libc::pollfd], seconds: Option<i64>) -> Sys<usize> {
    let time = seconds.map(|seconds| [seconds, 0]);
    let time = time.as_ref().map_or(ptr::null(), |time| time.as_ptr());
    let a = [fds.as_mut_ptr() as isize, fds.len().cast_signed(), time as isize];
    // SAFETY: the kernel reads and writes `fds.len()` entries of a slice borrowed mutably, and a
    // local of two words; null pointers mean "none".
    unsafe { call(libc::SYS_ppoll, a) }
}

/// Sets this thread's signal mask and returns the one before, `rt_sigprocmask(2)`.
pub(crate) fn set_signal_mask(mask: SignalMask) -> Sys<SignalMask> {
    let mut old: SignalMask = 0;
    let (new, before) = (ptr::from_ref(&mask) as isize, ptr::from_mut(&mut old) as isize);
    let a = [libc::SIG_SETMASK as isize, new, before, MASK_SIZE];
    // SAFETY: the kernel reads and writes eight bytes each at two locals.
    unsafe { call(libc::SYS_rt_sigprocmask, a) }.map(|_| old)
}

/// Gives a signal its default action, `rt_sigaction(2)`.
pub(crate) fn default_action(signal: c_int) -> Sys {
    // struct kernel_sigaction: handler (SIG_DFL is 0), flags, restorer, mask.
    let action = [0u64; 4];
    let a = [signal as isize, action.as_ptr() as isize, 0, MASK_SIZE];
    // SAFETY: the kernel reads at most 32 bytes of `action`. With SIG_DFL no code of this process
    // can run as a handler.
    unsafe { call(libc::SYS_rt_sigaction, a) }.map(drop)
}

/// Whether the kernel reaps this process's children, because `SIGCHLD` is ignored or has
/// `SA_NOCLDWAIT`, `rt_sigaction(2)`.
pub(crate) fn ignores_children() -> Sys<bool> {
    // struct kernel_sigaction, as above.
    let mut action = [0u64; 4];
    let a = [libc::SIGCHLD as isize, 0, action.as_mut_ptr() as isize, MASK_SIZE];
    // SAFETY: the kernel writes at most 32 bytes to a local; the null action changes nothing.
    unsafe { call(libc::SYS_rt_sigaction, a) }?;
    let [handler, flags, ..] = action;
    let no_wait = u64::from(libc::SA_NOCLDWAIT.cast_unsigned());
    Ok(handler == libc::SIG_IGN as u64 || flags & no_wait != 0)
}

/// A descriptor that is readable while a signal of `mask` is pending, `signalfd4(2)`.
pub(crate) fn signalfd(mask: SignalMask) -> Sys<Fd> {
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    let a = [-1, ptr::from_ref(&mask) as isize, MASK_SIZE, flags as isize];
    // SAFETY: the kernel reads eight bytes at a local.
    unsafe { call(libc::SYS_signalfd4, a) }.map(as_fd)
}

/// Sends a signal, `kill(2)`.
pub(crate) fn kill(pid: i32, signal: c_int) -> Sys {
    numbers!(libc::SYS_kill, pid, signal).map(drop)
}

/// Reaps one ended child, of any kind (`__WALL`): `pid` itself, or any for -1. `None` when none
/// has ended. `ECHILD` when there is none at all. `wait4(2)`.
pub(crate) fn reap(pid: i32) -> Sys<Option<Reaped>> {
    let mut status: c_int = 0;
    let options = libc::WNOHANG | libc::__WALL;
    let a = [pid as isize, ptr::from_mut(&mut status) as isize, options as isize];
    // SAFETY: the kernel writes an int at a local; the null rusage pointer means "none".
    let found = unsafe { call(libc::SYS_wait4, a) }?;
    Ok((found != 0).then_some(Reaped { pid: as_fd(found), status }))
}

/// Looks at a child that has ended, without reaping it, `waitid(2)` with `WNOWAIT`. `None` when
/// none has; with `options` 0 it waits for one.
pub(crate) fn peek(options: c_int) -> Sys<Option<Reaped>> {
    let mut info = [0i32; 32];
    let options = options | libc::WEXITED | libc::WNOWAIT | libc::__WALL;
    let a = [libc::P_ALL as isize, 0, info.as_mut_ptr() as isize, options as isize];
    // SAFETY: the kernel writes at most the 128 bytes of siginfo_t to a local.
    unsafe { call(libc::SYS_waitid, a) }?;
    Ok(Reaped::of_siginfo(&info))
}

/// Ends this process without unwinding and without running anything of its parent's.
pub(crate) fn exit(code: c_int) -> ! {
    loop {
        let _ = numbers!(libc::SYS_exit_group, code);
    }
}

/// Leaves what `flags` name, such as namespaces, for new ones of this process's own, `unshare(2)`.
pub(crate) fn unshare(flags: u64) -> Sys {
    numbers!(libc::SYS_unshare, flags).map(drop)
}

/// Starts a session without a controlling terminal, `setsid(2)`.
pub(crate) fn setsid() -> Sys {
    numbers!(libc::SYS_setsid).map(drop)
}

/// The parent's process id, `getppid(2)`.
pub(crate) fn parent() -> i32 {
    numbers!(libc::SYS_getppid).map_or(0, as_fd)
}

/// Detaches the mount on top of a path, `umount2(2)` with `MNT_DETACH`.
pub(crate) fn detach(path: &CStr) -> Sys {
    let a = [path.as_ptr() as isize, libc::MNT_DETACH as isize];
    // SAFETY: `path` ends with a NUL and outlives the call.
    unsafe { call(libc::SYS_umount2, a) }.map(drop)
}

/// Changes the working directory, `chdir(2)`.
pub(crate) fn chdir(path: &CStr) -> Sys {
    // SAFETY: `path` ends with a NUL and outlives the call.
    unsafe { call(libc::SYS_chdir, [path.as_ptr() as isize]) }.map(drop)
}

/// Changes the working directory to an open one, `fchdir(2)`.
pub(crate) fn fchdir(dir: Fd) -> Sys {
    numbers!(libc::SYS_fchdir, dir).map(drop)
}

/// `prctl(2)` for options whose arguments are all numbers.
pub(crate) fn prctl(option: c_int, arg2: usize, arg3: usize) -> Sys<usize> {
    debug_assert!(![libc::PR_SET_NAME, libc::PR_GET_NAME].contains(&option), "takes a pointer");
    numbers!(libc::SYS_prctl, option, arg2, arg3, 0, 0)
}

/// Sets the real, effective, saved and file-system group, of this task alone, `setresgid(2)`.
pub(crate) fn setresgid(gid: u32) -> Sys {
    numbers!(libc::SYS_setresgid, gid, gid, gid).map(drop)
}

/// Sets the real, effective, saved and file-system user, of this task alone, `setresuid(2)`.
pub(crate) fn setresuid(uid: u32) -> Sys {
    numbers!(libc::SYS_setresuid, uid, uid, uid).map(drop)
}

/// Replaces the supplementary groups of this task, `setgroups(2)`.
pub(crate) fn setgroups(groups: &[u32]) -> Sys {
    let a = [groups.len().cast_signed(), groups.as_ptr() as isize];
    // SAFETY: the kernel reads `groups.len()` ids of `groups`.
    unsafe { call(libc::SYS_setgroups, a) }.map(drop)
}

/// Sets the permitted, effective and inheritable capabilities of this task, bit by bit of
/// `linux/capability.h`, `capset(2)`.
pub(crate) fn capset(permitted: u64, inheritable: u64) -> Sys {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let data = capability_words(permitted, inheritable);
    let a = [header.as_ptr() as isize, data.as_ptr() as isize];
    // SAFETY: version 3 reads 8 bytes of `header` and 24 of `data`.
    unsafe { call(libc::SYS_capset, a) }.map(drop)
}

/// Sets a resource limit of this process, soft and hard, `prlimit(2)`.
pub(crate) fn setrlimit(resource: u32, soft: u64, hard: u64) -> Sys {
    let limit = [soft, hard];
    let a = [0, resource as isize, limit.as_ptr() as isize];
    // SAFETY: the kernel reads the 16 bytes of `limit`; the null old pointer means "not wanted".
    unsafe { call(libc::SYS_prlimit64, a) }.map(drop)
}

/// Mounts by path, `mount(2)`.
pub(crate) fn mount(
    source: &CStr,
    target: &CStr,
    fstype: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> Sys {
    let pointer = |s: Option<&CStr>| s.map_or(ptr::null::<c_char>(), CStr::as_ptr) as isize;
    let a = [
        source.as_ptr() as isize,
        target.as_ptr() as isize,
        pointer(fstype),
        flags as isize,
        pointer(data),
    ];
    // SAFETY: every string ends with a NUL and outlives the call; null means "none".
    unsafe { call(libc::SYS_mount, a) }.map(drop)
}

/// Changes the flags of a mount, `mount_setattr(2)` (Linux 5.12). An empty path with
/// `AT_EMPTY_PATH` means `fd` itself.
pub(crate) fn mount_setattr(fd: Fd, path: &CStr, at_flags: c_int, attr: &libc::mount_attr) -> Sys {
    let (attr, size) = (ptr::from_ref(attr) as isize, size_of_val(attr).cast_signed());
    let a = [fd as isize, path.as_ptr() as isize, at_flags as isize, attr, size];
    // SAFETY: the kernel reads a NUL-terminated path and one struct of the stated size.
    unsafe { call(libc::SYS_mount_setattr, a) }.map(drop)
}

/// A detached copy of the mount at a path from `fd` or, with an empty path, of `fd` itself,
/// `open_tree(2)` (Linux 5.2).
pub(crate) fn open_tree_clone(fd: Fd, path: &CStr) -> Sys<Fd> {
    const OPEN_TREE_CLONE: c_int = 1;
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC | libc::AT_EMPTY_PATH;
    let a = [fd as isize, path.as_ptr() as isize, flags as isize];
    // SAFETY: `path` ends with a NUL and outlives the call.
    unsafe { call(libc::SYS_open_tree, a) }.map(as_fd)
}

/// Attaches the detached mount `fd` at a path, not following a link at its end,
/// `move_mount(2)` (Linux 5.2).
pub(crate) fn attach(fd: Fd, target: &CStr) -> Sys {
    const MOVE_MOUNT_F_EMPTY_PATH: isize = 4;
    let empty = c"";
    let a = [
        fd as isize,
        empty.as_ptr() as isize,
        CWD,
        target.as_ptr() as isize,
        MOVE_MOUNT_F_EMPTY_PATH,
    ];
    // SAFETY: both strings end with a NUL and outlive the call.
    unsafe { call(libc::SYS_move_mount, a) }.map(drop)
}

/// Makes an empty regular file below `dir`, `mknodat(2)`.
pub(crate) fn make_file(dir: Fd, name: &CStr, mode: u32) -> Sys {
    let mode = libc::S_IFREG | mode;
    let a = [dir as isize, name.as_ptr() as isize, mode as isize];
    // SAFETY: `name` ends with a NUL and outlives the call.
    unsafe { call(libc::SYS_mknodat, a) }.map(drop)
}

/// Makes a Landlock ruleset from the first `size` bytes of `attr`, `landlock_create_ruleset(2)`.
pub(crate) fn landlock_ruleset(attr: &RulesetAttr, size: usize) -> Sys<OwnedFd> {
    let size = size.min(size_of::<RulesetAttr>());
    let a = [ptr::from_ref(attr) as isize, size.cast_signed()];
    // SAFETY: the kernel reads at most `size` bytes, no more than the struct has.
    let fd = unsafe { call(libc::SYS_landlock_create_ruleset, a) }.map(as_fd)?;
    // SAFETY: the kernel has just made this descriptor for us, and nothing else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The kernel's Landlock ABI, `LANDLOCK_CREATE_RULESET_VERSION`.
pub(crate) fn landlock_abi() -> Sys<usize> {
    numbers!(libc::SYS_landlock_create_ruleset, 0, 0, 1)
}

/// Allows `access` on the file `beneath` and, for a directory, on all below it,
/// `landlock_add_rule(2)`.
pub(crate) fn landlock_allow(ruleset: Fd, beneath: Fd, access: u64) -> Sys {
    const PATH_BENEATH: isize = 1;
    let rule = PathBeneath { allowed_access: access, parent_fd: beneath };
    let a = [ruleset as isize, PATH_BENEATH, ptr::from_ref(&rule) as isize];
    // SAFETY: the kernel reads one packed struct of this layout.
    unsafe { call(libc::SYS_landlock_add_rule, a) }.map(drop)
}

/// Puts this task under a ruleset for good, `landlock_restrict_self(2)`.
pub(crate) fn landlock_restrict_self(ruleset: Fd) -> Sys {
    numbers!(libc::SYS_landlock_restrict_self, ruleset, 0).map(drop)
}

/// Puts this task under a system call filter for good, `seccomp(2)`.
pub(crate) fn seccomp(filter: &[libc::sock_filter]) -> Sys {
    let Ok(len) = u16::try_from(filter.len()) else { return Err(Errno(libc::E2BIG)) };
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    let mode = libc::SECCOMP_SET_MODE_FILTER as isize;
    let a = [mode, 0, ptr::from_ref(&program) as isize];
    // SAFETY: the kernel reads `len` instructions of `filter`, and writes none.
    unsafe { call(libc::SYS_seccomp, a) }.map(drop)
}

/// Replaces this process by the program that `fd` is, `execveat(2)` with `AT_EMPTY_PATH`.
/// Returns only when that failed. The kernel ignores the sixth argument; the box's filter asks
/// for `ticket` there.
pub(crate) fn exec(fd: Fd, argv: &StringArray, env: &StringArray, ticket: u64) -> Errno {
    let empty = c"";
    let a = [
        fd as isize,
        empty.as_ptr() as isize,
        argv.addresses().as_ptr() as isize,
        env.addresses().as_ptr() as isize,
        libc::AT_EMPTY_PATH as isize,
        ticket.cast_signed() as isize,
    ];
    // SAFETY: both arrays end with a null and their strings with a NUL; all outlive the call.
    unsafe { call(libc::SYS_execveat, a) }.err().unwrap_or(Errno(libc::EIO))
}

/// Makes an attacker's call, in a process of its own.
pub(crate) fn attempt(attempt: Attempt) -> Sys<usize> {
    let (number, args) = attempt.parts();
    // SAFETY: it names no address but null, and no call that would change this process's memory.
    unsafe { call(number, args) }
}

/// `getpid(2)` by the gate of 32-bit programs, where it has the number 20.
pub(crate) fn getpid_by_int80() -> Sys<usize> {
    let ret: i32;
    // SAFETY: the call takes nothing and touches no memory; the gate clobbers r8 to r11 at most.
    unsafe {
        asm!("int 0x80", inlateout("eax") 20 => ret, out("r8") _, out("r9") _, out("r10") _,
            out("r11") _, options(nostack));
    }
    result(ret as isize)
}

/// Keeps all threads on one heap, `mallopt(3)`. Each heap of a thread's own would stay as large as it
/// once was, for programs that live for long and are small. Does nothing where the C library has no such
/// option.
pub fn one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes two numbers, and a lock of its own.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives free memory back to the kernel, `malloc_trim(3)`. Does nothing where the C library cannot.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number, holds the lock of the heap, and frees nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
