//! Every system call that has an answer of its own, and why.
//!
//! A call without a line here is refused, so nothing can be forgotten; nothing is ever allowed
//! without the name of a tool that needs it.

mod allowed;
mod refused;

use super::decision::Decision;
use super::{Action, Arch, Check, Errno, Filter};

/// One system call and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syscall {
    /// Its name in the manual.
    pub name: &'static str,
    /// What it is for.
    pub group: Group,
    /// Its number on x86-64, if it exists there.
    pub x86_64: Option<u32>,
    /// Its number on 64-bit ARM, if it exists there.
    pub aarch64: Option<u32>,
    /// What becomes of it.
    pub treatment: Treatment,
    /// Who needs it, if it is allowed; what it would do, or how tools go on, if it is not.
    pub why: &'static str,
}

/// What becomes of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// The kernel makes it, whatever its arguments.
    Allow,
    /// It depends on the arguments or on the filter.
    Check(Check),
    /// It answers 0 and does nothing.
    Pretend,
    /// It fails.
    Refuse(Errno),
}

/// What a system call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Time and timers.
    Clocks,
    /// Users, groups and capabilities.
    Credentials,
    /// Open descriptors, whatever they are open on.
    Descriptors,
    /// Starting programs.
    Exec,
    /// The whole machine: its name, clock, modules, power.
    Host,
    /// System V and POSIX interprocess communication.
    Ipc,
    /// Locks and forced writes.
    Locks,
    /// The process's own memory.
    Memory,
    /// Modes, owners, times and attributes of files.
    Metadata,
    /// Mounts, roots and namespaces.
    Mounts,
    /// What has an older call that programs fall back to.
    Newer,
    /// Processes and threads.
    Processes,
    /// Files and directories, for reading.
    Read,
    /// Limits, priorities and processors.
    Scheduling,
    /// Signals.
    Signals,
    /// Sockets.
    Sockets,
    /// Waiting for descriptors.
    Wait,
    /// Looking into other processes, and watching the host's files.
    Watch,
    /// Files and directories, for writing; mounts and Landlock decide where.
    Write,
}

/// Every system call that has an answer of its own. All others answer `ENOSYS`.
pub fn table() -> impl Iterator<Item = &'static Syscall> {
    let parts = allowed::PARTS.iter().chain(refused::PARTS);
    parts.flat_map(|part| part.iter())
}

/// How many calls a filter for `arch` may let through, with some arguments at least.
pub fn allowed_count(arch: Arch) -> usize {
    let lets_through =
        |call: &&Syscall| matches!(call.treatment, Treatment::Allow | Treatment::Check(_));
    table().filter(lets_through).filter(|call| call.number(arch).is_some()).count()
}

impl Syscall {
    /// Its number on `arch`, if it exists there.
    pub fn number(&self, arch: Arch) -> Option<u32> {
        match arch {
            Arch::Aarch64 => self.aarch64,
            Arch::X86_64 => self.x86_64,
        }
    }
}

impl Treatment {
    pub(super) fn decision(self, filter: &Filter) -> Decision {
        match self {
            Self::Allow => Action::Allow.into(),
            Self::Check(check) => check.decision(filter),
            Self::Pretend => Action::Pretend.into(),
            Self::Refuse(errno) => Action::Errno(errno).into(),
        }
    }
}

const ALLOW: Treatment = Treatment::Allow;
const PRETEND: Treatment = Treatment::Pretend;
const EACCES: Treatment = Treatment::Refuse(Errno::EACCES);
const EINVAL: Treatment = Treatment::Refuse(Errno::EINVAL);
const ENOSYS: Treatment = Treatment::Refuse(Errno::ENOSYS);
const EPERM: Treatment = Treatment::Refuse(Errno::EPERM);
const EROFS: Treatment = Treatment::Refuse(Errno::EROFS);

/// One part of the table, a call a line: name, number on x86-64, number on 64-bit ARM (`-` where
/// it does not exist), treatment, reason.
macro_rules! calls {
    ($part:ident: $group:ident; $($name:ident $x86_64:tt $aarch64:tt => $treatment:expr, $why:literal;)*) => {
        const $part: &[Syscall] = &[$(Syscall {
            name: stringify!($name),
            group: Group::$group,
            x86_64: calls!(@number $x86_64),
            aarch64: calls!(@number $aarch64),
            treatment: $treatment,
            why: $why,
        }),*];
    };
    (@number -) => { None };
    (@number $number:literal) => { Some($number) };
}
use calls;
