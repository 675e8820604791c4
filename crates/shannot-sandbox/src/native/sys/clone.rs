//! Processes that share this one's memory: a box's first process, its commands', bwrap's.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr;
use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering};
use std::os::fd::{FromRawFd, IntoRawFd as _, OwnedFd};
use std::sync::Arc;

use super::super::abi::{
    BOX_STACK, CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP, NO_CLONE_ARGS, Stack, as_fd, old_clone_args,
    result,
};
use super::super::cgroup::Join;
use super::super::enter::{StageCall, Told, box_main, stage_main};
use super::super::hull::open_pidfd;
use super::super::launch::{LaunchCall, launch_main};
use super::super::spec::HullShared;
use super::{Errno, Reaped, Sys, reap};

/// What the first process of a box runs on, and where it is told of once it has been started.
#[derive(Debug)]
pub(crate) struct Birth {
    hull: Arc<HullShared>,
    /// Of that process alone.
    stack: UnsafeCell<Stack>,
    /// The process's descriptor from a zygote to its parent, whose table it is in; -1 for none.
    pidfd: AtomicI32,
}

// SAFETY: what is in the cell is touched only by the one process that `start` starts.
unsafe impl Sync for Birth {}

impl Birth {
    pub(crate) fn new(hull: Arc<HullShared>) -> Arc<Self> {
        let stack = UnsafeCell::new(Box::new_uninit_slice(BOX_STACK));
        Arc::new(Self { hull, stack, pidfd: AtomicI32::new(-1) })
    }

    /// Starts [`box_main`] in the hull's namespaces, as a child of this process or, with
    /// `CLONE_PARENT` among the flags, as its sister. It goes on by itself, and shares this
    /// process's descriptors until it makes a table of its own.
    ///
    /// # Safety
    /// At most once, and this value must stay until the process was reaped.
    unsafe fn start(&self, more: c_int) -> Sys<(i32, Option<OwnedFd>)> {
        let entry = box_main as extern "C" fn(&HullShared) -> ! as *const c_void;
        let argument = Arc::as_ptr(&self.hull).cast::<c_void>();
        let own = libc::CLONE_FILES | libc::CLONE_PIDFD | libc::CLONE_PARENT_SETTID | more;
        let flags = self.hull.spec.cloned | u64::from(own.cast_unsigned());
        let parent_tid = self.hull.init_pid.as_ptr() as u64;
        let args = libc::clone_args { flags, parent_tid, ..NO_CLONE_ARGS };
        // SAFETY: nobody else has a reference into the cell, by this function's contract.
        let stack = unsafe { &mut *self.stack.get() };
        // SAFETY: `box_main` keeps the rules of its module. The stack and all that `hull` owns, its
        // run too, live as long as this value.
        unsafe { clone_shared(args, stack, entry, argument) }
    }
}

/// Where a zygote finds what it is to start.
#[derive(Debug)]
pub(crate) struct Inbox(AtomicPtr<Birth>);

impl Inbox {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts a birth there. What comes back keeps it.
    pub(crate) fn put(&self, birth: Arc<Birth>) -> Asked {
        self.0.store(Arc::as_ptr(&birth).cast_mut(), Ordering::Release);
        Asked(ManuallyDrop::new(birth))
    }

    /// In a zygote: starts what is there as a child of its parent's. `None` where there is nothing.
    ///
    /// # Errors
    /// As `clone3(2)`.
    pub(crate) fn bear(&self) -> Sys<Option<()>> {
        let birth = self.0.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: `Asked` keeps it until the answer to this.
        let Some(birth) = (unsafe { birth.as_ref() }) else { return Ok(None) };
        // SAFETY: the swap has taken it, so this is once; the parent keeps it until the process was
        // reaped.
        let (_, pidfd) = unsafe { birth.start(libc::CLONE_PARENT) }?;
        birth.pidfd.store(pidfd.map_or(-1, OwnedFd::into_raw_fd), Ordering::Release);
        Ok(Some(()))
    }
}

/// A birth that a zygote was asked for. Leaked if there is no answer, for the process may yet be
/// started.
#[derive(Debug)]
pub(crate) struct Asked(ManuallyDrop<Arc<Birth>>);

impl Asked {
    /// The zygote has answered, and knows nothing of it any more.
    pub(crate) fn answered(self) -> Arc<Birth> {
        ManuallyDrop::into_inner(self.0)
    }
}

/// The first process of a box, running on memory of this one.
#[derive(Debug)]
pub(crate) struct BoxProcess {
    /// Its process id here.
    pub(crate) pid: i32,
    /// A descriptor for it.
    pub(crate) pidfd: OwnedFd,
    /// What it runs on. Leaked if this value is dropped before the process was reaped: better
    /// some memory lost than memory pulled from under a running process.
    memory: Option<Arc<Birth>>,
}

impl Drop for BoxProcess {
    fn drop(&mut self) {
        std::mem::forget(self.memory.take());
    }
}

impl BoxProcess {
    /// Starts it.
    ///
    /// # Errors
    /// As `clone3(2)`: `EPERM` where namespaces are refused, `ENOSPC` at their limit, `EAGAIN` at
    /// the limit of processes.
    pub(crate) fn start(hull: Arc<HullShared>) -> Sys<Self> {
        let birth = Birth::new(hull);
        // SAFETY: once, and `memory` keeps it until the process was reaped, for ever if it never is.
        let (pid, pidfd) = unsafe { birth.start(0) }?;
        let pidfd = pidfd.map_or_else(|| open_pidfd(pid), Ok)?;
        Ok(Self { pid, pidfd, memory: Some(birth) })
    }

    /// Takes over what a zygote has started for this process.
    ///
    /// # Errors
    /// As `pidfd_open(2)`, and the process has been ended then.
    pub(crate) fn born(birth: Arc<Birth>) -> Sys<Self> {
        let pid = birth.hull.init_pid.load(Ordering::Acquire);
        let pidfd = match birth.pidfd.swap(-1, Ordering::AcqRel) {
            -1 => open_pidfd(pid)?,
            // SAFETY: the zygote has made it in the table that it shares with this process, and
            // knows nothing of it any more; the swap has taken the one note of it.
            fd => unsafe { OwnedFd::from_raw_fd(fd) },
        };
        Ok(Self { pid, pidfd, memory: Some(birth) })
    }

    /// Reaps the process if it has ended, and frees what it ran on.
    pub(crate) fn reap(&mut self) -> Sys<Option<Reaped>> {
        let ended = reap(self.pid)?;
        if ended.is_some() {
            self.memory = None;
        }
        Ok(ended)
    }
}

/// Starts [`stage_main`]; returns when it has called `execve` or ended, so that whatever `call`
/// borrows is free again.
///
/// Its process ids are `ids`, from the innermost pid namespace outwards, and the kernel's choice
/// in the namespaces beyond.
///
/// # Errors
/// As `clone3(2)` with `set_tid`: `EEXIST` where an id is taken, `EPERM` without
/// `CAP_CHECKPOINT_RESTORE` over one of the namespaces, `EINVAL` beyond its `pid_max`.
pub(crate) fn start_stage(
    call: &StageCall<'_>,
    ids: &[i32],
    stack: &mut [MaybeUninit<u128>],
) -> Sys<i32> {
    let mut args = libc::clone_args { exit_signal: libc::SIGCHLD as u64, ..NO_CLONE_ARGS };
    if let Some(Join::Into(dir)) = call.place.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(dir.cast_unsigned());
    }
    if let Told::Later(_) = call.run {
        args.flags |= u64::from(libc::CLONE_FILES.cast_unsigned());
    }
    if !ids.is_empty() {
        args.set_tid = ids.as_ptr() as u64;
        args.set_tid_size = ids.len() as u64;
    }
    // SAFETY: `stage_main` keeps the rules of its module; `ids` outlives the call.
    unsafe { clone_ahead(args, stack, stage_main, call) }
}

/// Starts [`launch_main`]; returns when it has called `execve` or ended, as above.
///
/// # Errors
/// As `clone3(2)`: `EAGAIN` at the limit of processes.
pub(crate) fn start_launcher(call: &LaunchCall, stack: &mut [MaybeUninit<u128>]) -> Sys<i32> {
    // SAFETY: `launch_main` keeps the rules of its module.
    unsafe { clone_ahead(NO_CLONE_ARGS, stack, launch_main, call) }
}

/// [`clone_shared`], holding this thread until the child no longer uses `call` and `stack`.
///
/// # Safety
/// As there, but for what this call's borrows already say.
unsafe fn clone_ahead<T>(
    mut args: libc::clone_args,
    stack: &mut [MaybeUninit<u128>],
    entry: extern "C" fn(&T) -> !,
    call: &T,
) -> Sys<i32> {
    args.flags |= u64::from(libc::CLONE_VFORK.cast_unsigned());
    // SAFETY: CLONE_VFORK; the rest is the caller's promise.
    let cloned = unsafe { clone_shared(args, stack, entry as _, ptr::from_ref(call).cast()) };
    cloned.map(|(pid, _)| pid)
}

/// Starts `entry(argument)` in a new process that shares this one's memory (`CLONE_VM`), on its
/// own `stack`, with its signal handlers reset. Its end sends the signal of `args`. With none, only
/// who waits with `__WALL` reaps it, and a `SIGCHLD` that is ignored does not have it reaped.
///
/// # Safety
/// `entry` must be an `extern "C" fn(&T) -> !` for the `T` that `argument` points to, must never
/// return or unwind, and must touch no heap, lock or thread-local state; `argument`, all it
/// points to, and `stack` must stay valid and unmoved until the child has called `execve` or
/// ended.
unsafe fn clone_shared(
    args: libc::clone_args,
    stack: &mut [MaybeUninit<u128>],
    entry: *const c_void,
    argument: *const c_void,
) -> Sys<(i32, Option<OwnedFd>)> {
    let mut pidfd: c_int = -1;
    let args = libc::clone_args {
        flags: args.flags | u64::from(libc::CLONE_VM.cast_unsigned()) | CLONE_CLEAR_SIGHAND,
        pidfd: ptr::from_mut(&mut pidfd) as u64,
        stack: stack.as_mut_ptr() as u64,
        stack_size: size_of_val(stack) as u64,
        ..args
    };
    let new = [ptr::from_ref(&args) as usize, size_of::<libc::clone_args>(), 0];
    // SAFETY: `args` outlives the call, as do the ids that it points to, and names a stack of its
    // stated size; the rest is this function's own contract.
    let child = match result(unsafe { clone_call(libc::SYS_clone3, new, entry, argument) }) {
        // Containers whose filter cannot see into `args` refuse it so.
        Err(Errno(libc::ENOSYS)) if args.set_tid_size == 0 => {
            let old = old_clone_args(&args)?;
            // SAFETY: the same stack and ids; the kernel writes no pidfd.
            result(unsafe { clone_call(libc::SYS_clone, old, entry, argument) })
        }
        child => child,
    };
    let child = child.map(as_fd)?;
    // SAFETY: a number that is not -1 is a descriptor that the kernel has just made for us
    // (CLONE_PIDFD) and that nothing else knows.
    let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    Ok((child, pidfd))
}

/// `clone3(2)` or `clone(2)` whose child calls `entry(argument)` on the stack that `args` name.
///
/// # Safety
/// See [`clone_shared`].
#[inline(never)]
unsafe fn clone_call(
    nr: libc::c_long,
    args: [usize; 3],
    entry: *const c_void,
    argument: *const c_void,
) -> isize {
    let ret: isize;
    // SAFETY: in the parent only rax, rcx and r11 change. The child starts with its own stack,
    // 16-byte aligned, and never comes back from `entry`.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") nr as isize => ret,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2], in("r10") 0, in("r8") 0,
            in("r12") argument,
            in("r13") entry,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    ret
}
