//! The seccomp filter of a box: which system calls its programs may make, with which arguments.
//!
//! [`table()`] names each call that has an answer of its own, with the tool that needs it or the
//! reason why it is refused; [`Filter`] holds what differs from box to box; [`Filter::compile`]
//! makes the program that the kernel runs. A call that the table does not name answers `ENOSYS`,
//! as on a kernel that does not have it, so that programs fall back.
//!
//! **Nothing is ever killed.** A filter that kills writes an audit line to the host's log each
//! time, on the hostile caller's word; an errno writes nothing.
//!
//! **What a filter cannot see.** It sees the numbers in the registers, never what a pointer
//! points to: no path, no socket address, no netlink message, no `struct flock`. Paths are held
//! by mounts and Landlock, netlink messages by the missing capabilities.
//!
//! This module must never grow a second answer to "is this call allowed": the compiled program
//! and [`Filter::verdict`] both come from the same decisions, and the tests hold one against
//! the other for every call.

mod bpf;
mod checks;
mod decision;
#[cfg(any(test, fuzzing))]
pub mod interpreter;
mod table;
#[cfg(test)]
mod tests;
#[cfg(fuzzing)]
pub mod tree;

use std::fmt;

pub use bpf::{Insn, Program};
pub use checks::Check;
pub use table::{Group, Syscall, Treatment, allowed_count, table};

use crate::profile::Network;
use decision::{Decision, Word, switch};

/// What differs between filters; everything else is the same for every box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filter {
    /// The machine that the program is compiled for.
    pub arch: Arch,
    /// What may still be executed once the filter is in force.
    pub exec: Exec,
    /// Which sockets may be made.
    pub network: Network,
    /// Whether processes may be made. Threads always may; with [`Exec::Listed`] processes may too.
    pub forks: bool,
    /// Whether the kernel's log may be read by `syslog(2)`, as `dmesg` does.
    pub kernel_log: bool,
    /// What the filter has to hold because Landlock does not.
    pub unheld: Unheld,
}

/// What a kernel's Landlock does not hold yet, where no mount and no namespace does either: in
/// tier L. `landlock(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unheld {
    /// It holds all there is to hold, from ABI 6 on (Linux 6.12).
    Nothing,
    /// Signals to processes of the same user, before ABI 6.
    Signals,
    /// These, and a file's being emptied by `O_TRUNC` while it is opened for reading, before
    /// ABI 3 (Linux 6.2).
    SignalsAndTruncation,
}

/// What may still be executed once the filter is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exec {
    /// Any program that Landlock's `EXECUTE` lets through.
    Listed,
    /// Any program, by `execve`: where another program executes the command once the filter is in
    /// force, its `execve` cannot be told from the command's own.
    ByAnother,
    /// One `execveat(fd, "", argv, envp, AT_EMPTY_PATH, ticket)` and nothing after it.
    Once {
        /// The program's descriptor, close-on-exec and above `RLIMIT_NOFILE`: once it is closed,
        /// it cannot be made again.
        fd: u32,
        /// What the sixth argument register must hold; see [`Ticket`].
        ticket: Ticket,
    },
}

/// A secret number that only the engine knows, new for every stage of every run.
///
/// A descriptor number alone does not make an exec the only one: `execveat` ignores its
/// descriptor when the path is absolute, so `execveat(fd, "/bin/sh", …, AT_EMPTY_PATH)` would run
/// any program after `fd` is long closed, and a filter cannot read the path. The call has five
/// arguments, and the kernel shows a filter six registers: the engine puts the ticket into the
/// one that `execveat` does not use. The kernel clears the registers when a program starts, and
/// an unprivileged process cannot read a filter back, so the program never learns it.
///
/// It must come from the kernel's random source, and `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub u64);

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(…)")
    }
}

/// One of the two words that a ticket is compared by.
struct Half {
    word: Word,
    value: u32,
}

impl Ticket {
    /// The words of the sixth argument register that must hold it, which nothing else looks at.
    fn halves(self) -> [Half; 2] {
        let value = |shift: u32| {
            u32::try_from((self.0 >> shift) & 0xFFFF_FFFF).expect("32 bits are left by the mask")
        };
        [
            Half { word: Word::High(5), value: value(32) },
            Half { word: Word::Low(5), value: value(0) },
        ]
    }
}

/// A machine that filters are compiled for. Both are little endian and have 64-bit registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// 64-bit ARM.
    Aarch64,
    /// 64-bit x86; neither its 32-bit calls (`int 0x80`) nor its x32 ones.
    X86_64,
}

impl Arch {
    /// Every machine.
    pub const ALL: [Self; 2] = [Self::Aarch64, Self::X86_64];

    /// The `AUDIT_ARCH_*` value that the kernel shows a filter.
    pub const fn audit(self) -> u32 {
        match self {
            Self::Aarch64 => 0xC000_00B7,
            Self::X86_64 => 0xC000_003E,
        }
    }
}

/// One system call as the kernel shows it to a filter (`struct seccomp_data`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeccompData {
    /// The call's number.
    pub nr: u32,
    /// The convention it was made by: an `AUDIT_ARCH_*` value.
    pub arch: u32,
    /// The six argument registers, whether the call uses them or not.
    pub args: [u64; 6],
}

/// What the kernel does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Makes it.
    Allow,
    /// Fails it.
    Errno(Errno),
    /// Answers 0 and does nothing (`SECCOMP_RET_ERRNO` with the errno 0).
    Pretend,
}

/// An error number; the kernel gives the ones used here the same values on both machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(pub u16);

impl Errno {
    /// Permission denied.
    pub const EACCES: Self = Self(13);
    /// Invalid argument.
    pub const EINVAL: Self = Self(22);
    /// Function not implemented.
    pub const ENOSYS: Self = Self(38);
    /// Inappropriate ioctl for device.
    pub const ENOTTY: Self = Self(25);
    /// Operation not permitted.
    pub const EPERM: Self = Self(1);
    /// Read-only file system.
    pub const EROFS: Self = Self(30);
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allowed"),
            Self::Errno(errno) => write!(f, "fails with {errno}"),
            Self::Pretend => f.write_str("answers success and does nothing"),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::EACCES => "EACCES",
            Self::EINVAL => "EINVAL",
            Self::ENOSYS => "ENOSYS",
            Self::ENOTTY => "ENOTTY",
            Self::EPERM => "EPERM",
            Self::EROFS => "EROFS",
            Self(other) => return write!(f, "errno {other}"),
        };
        f.write_str(name)
    }
}

/// Set in the number of every x32 call, which comes with the arch of x86-64 itself.
const X32_BIT: u32 = 0x4000_0000;

/// The answer to everything that is not named.
const UNKNOWN: Action = Action::Errno(Errno::ENOSYS);

impl Filter {
    /// The same filter with another ticket; `None` for one that executes without any.
    #[must_use]
    pub fn with_ticket(self, ticket: Ticket) -> Option<Self> {
        match self.exec {
            Exec::Once { fd, .. } => Some(Self { exec: Exec::Once { fd, ticket }, ..self }),
            Exec::Listed | Exec::ByAnother => None,
        }
    }

    /// What all filters have in common that differ in their ticket alone.
    #[must_use]
    pub fn without_ticket(self) -> Self {
        self.with_ticket(Ticket(0)).unwrap_or(self)
    }

    /// The program for the kernel.
    pub fn compile(&self) -> Program {
        Program::compile(&self.decision())
    }

    /// What the kernel does with one call under this filter, from the table and not from the
    /// compiled program.
    pub fn verdict(&self, data: &SeccompData) -> Action {
        if data.arch != self.arch.audit() {
            return UNKNOWN;
        }
        match table().find(|call| call.number(self.arch) == Some(data.nr)) {
            Some(call) => call.treatment.decision(self).answer(data),
            None => UNKNOWN,
        }
    }

    /// The whole filter as one decision: first the arch, then the number, then its arguments.
    ///
    /// The arch comes first because a number means nothing without it: on x86-64 any process can
    /// make 32-bit calls by `int 0x80`, where 3 is `read` and 102 `socketcall`. The x32 numbers
    /// are the second trap: same arch, one bit set. They stand here although the default says
    /// the same, so that no later default can let them in.
    fn decision(&self) -> Decision {
        let mut by_number = switch(Word::Number);
        for call in table() {
            if let Some(number) = call.number(self.arch) {
                by_number = by_number.is(&[number], call.treatment.decision(self));
            }
        }
        if self.arch == Arch::X86_64 {
            by_number = by_number.within(X32_BIT..=u32::MAX, UNKNOWN);
        }
        switch(Word::Arch).is(&[self.arch.audit()], by_number.otherwise(UNKNOWN)).otherwise(UNKNOWN)
    }

    /// Whether a process may be made.
    pub fn may_fork(&self) -> bool {
        self.forks || self.exec == Exec::Listed
    }
}
