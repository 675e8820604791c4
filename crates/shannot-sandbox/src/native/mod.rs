//! The native engine: a plan realised by this program's own system calls.
//!
//! A [`hull`] is begun from the plan alone; [`prepare()`] looks at the host for the rest beside it
//! and does all that can fail early; [`run`] brings both together. The child's steps, in order, are
//! in [`enter`], and its first process goes on as [`init`].

mod abi;
mod base;
mod cgroup;
mod changes;
mod child;
mod commands;
mod counted;
mod enter;
mod error;
mod filters;
mod handover;
mod hides;
mod hull;
mod init;
mod landlock;
mod launch;
mod lent;
mod looked;
mod place;
mod prepare;
mod program;
mod ready;
mod report;
mod reports;
mod run;
mod scene;
mod spec;
mod stage_two;
mod step;
mod strings;
mod sys;
mod tree;
mod warm;

pub use child::Child;
pub use prepare::{Prepared, bwrap_call, prepare};
pub use run::{Begun, Stdio, begin, start};
pub use stage_two::stage_two;
pub use sys::{give_memory_back, one_heap};
pub use warm::{Warm, WarmError};

/// The program's descriptor; see [`shannot_policy::plan::PROGRAM_FD`].
const PROGRAM_FD: sys::Fd = shannot_policy::plan::PROGRAM_FD.cast_signed();

/// Capabilities, as bits: `linux/capability.h`.
const CAP_DAC_READ_SEARCH: u64 = 1 << 2;
const CAP_SETGID: u64 = 1 << 6;
const CAP_SETUID: u64 = 1 << 7;
const CAP_SETPCAP: u64 = 1 << 8;
const CAP_SYS_ADMIN: u64 = 1 << 21;

/// `SECBIT_NOROOT` and its lock, and the lock on `SECBIT_NO_SETUID_FIXUP` unset: uid 0 means
/// nothing, and leaving it takes the capabilities. `capabilities(7)`.
const SECUREBITS: usize = 0x1 | 0x2 | 0x8;

/// systemd's list of uid ranges leaves 1,879,048,192 to 2,147,483,647 unused. The id of the box's
/// first process, at most 2^22, makes it unique among the boxes that live.
const UNUSED_ID_BASE: u32 = 1_900_000_000;

const fn unused_id(init_pid: i32) -> u32 {
    UNUSED_ID_BASE + (init_pid.unsigned_abs() & 0x003f_ffff)
}

/// The kernel's Landlock ABI; 0 where there is none.
pub(crate) fn landlock_abi() -> u32 {
    sys::landlock_abi().ok().and_then(|abi| u32::try_from(abi).ok()).unwrap_or(0)
}

/// Makes an attacker's call; its error number if it fails.
pub(crate) fn attempt(attempt: crate::attack::Attempt) -> Result<(), i32> {
    sys::attempt(attempt).map(drop).map_err(|e| e.0)
}

/// `getpid(2)` as a 32-bit program makes it; its error number if it fails.
pub(crate) fn getpid_by_int80() -> Result<(), i32> {
    sys::getpid_by_int80().map(drop).map_err(|e| e.0)
}

/// Whether this process has the kernel reap its children.
pub(crate) fn ignores_children() -> bool {
    sys::ignores_children().unwrap_or(true)
}
