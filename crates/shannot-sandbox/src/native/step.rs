//! What a child tells its parent before it becomes the command: which step failed, that all
//! commands have started, how each ended.

/// A step on the way into the box. The order is that of [`super::enter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    Clone,
    Session,
    UserMap,
    ReadOnlyTree,
    Device,
    OwnProc,
    Lend,
    Namespaces,
    Hide,
    Scratch,
    LandlockRule,
    Subreaper,
    StartStage,
    Cgroup,
    Stdio,
    HostMountTable,
    Verify,
    Program,
    Capabilities,
    Identity,
    Cwd,
    NoNewPrivs,
    Landlock,
    ParentDeath,
    Limits,
    Descriptors,
    Signals,
    Seccomp,
    Exec,
}

impl Step {
    const ALL: [Self; 29] = [
        Self::Clone,
        Self::Session,
        Self::UserMap,
        Self::ReadOnlyTree,
        Self::Device,
        Self::OwnProc,
        Self::Lend,
        Self::Namespaces,
        Self::Hide,
        Self::Scratch,
        Self::LandlockRule,
        Self::Subreaper,
        Self::StartStage,
        Self::Cgroup,
        Self::Stdio,
        Self::HostMountTable,
        Self::Verify,
        Self::Program,
        Self::Capabilities,
        Self::Identity,
        Self::Cwd,
        Self::NoNewPrivs,
        Self::Landlock,
        Self::ParentDeath,
        Self::Limits,
        Self::Descriptors,
        Self::Signals,
        Self::Seccomp,
        Self::Exec,
    ];

    /// What the step does, to follow "failed to".
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Clone => "start the box's first process (clone3)",
            Self::Lend => "show its mounts to its supervisor (/proc/self/mountinfo)",
            Self::Namespaces => "make the box's namespaces (unshare)",
            Self::UserMap => "map the user (/proc/self/uid_map)",
            Self::Session => "start a session (setsid)",
            Self::ReadOnlyTree => "make the mount tree read-only (mount_setattr)",
            Self::Device => "open a harmless device (open_tree, move_mount)",
            Self::OwnProc => "mount the box's own /proc",
            Self::Hide => "cover a hidden path (move_mount)",
            Self::Scratch => "mount a scratch directory (tmpfs)",
            Self::LandlockRule => "add a Landlock rule for scratch",
            Self::Subreaper => "become the subreaper of the commands",
            Self::StartStage => "start a process for a command (clone3)",
            Self::Cgroup => "join the run's cgroup",
            Self::Stdio => "set up standard input and output (dup3)",
            Self::HostMountTable => "show the host's mount table (mount --bind)",
            Self::Verify => "find every mount read-only, nosuid and nodev (/proc/self/mountinfo)",
            Self::Program => "open the program in the box",
            Self::Capabilities => "drop capabilities",
            Self::Identity => "become an unused uid (setresuid)",
            Self::Cwd => "enter the working directory in the box",
            Self::NoNewPrivs => "set no_new_privs",
            Self::Landlock => "apply the Landlock rules",
            Self::ParentDeath => "set the parent-death signal",
            Self::Limits => "set resource limits",
            Self::Descriptors => "close other descriptors (close_range)",
            Self::Signals => "reset signals",
            Self::Seccomp => "apply the system call filter",
            Self::Exec => "execute the program",
        }
    }
}

/// One message of a child, at most [`Record::BYTES`] long, so that a pipe never tears it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// The box's tree is its own: what happens to the host's mounts no longer shows in it.
    Apart,
    /// The box waits for its first command, in the process that will become it.
    Ready,
    /// A zygote has started what it was asked for.
    Born,
    /// Every command has been executed, and started at `/` if it could not enter the directory
    /// asked for.
    Started { in_root: bool },
    /// A step failed; nothing was executed by this stage.
    Failed { stage: u8, step: Step, errno: i32 },
    /// A command ended, with its status as `wait4(2)` encodes it.
    Exited { stage: u8, status: i32 },
}

impl Record {
    /// The length of each message.
    pub(crate) const BYTES: usize = 8;

    /// The message as it crosses the pipe: kind, stage, step, zero, a number in native order.
    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let (kind, stage, step, number) = match self {
            Self::Started { in_root } => (0, 0, 0, i32::from(in_root)),
            Self::Apart => (3, 0, 0, 0),
            Self::Ready => (4, 0, 0, 0),
            Self::Born => (5, 0, 0, 0),
            Self::Failed { stage, step, errno } => (1, stage, step as u8, errno),
            Self::Exited { stage, status } => (2, stage, 0, status),
        };
        let [a, b, c, d] = number.to_ne_bytes();
        [kind, stage, step, 0, a, b, c, d]
    }

    /// Reads a message; `None` for one that no child of ours writes.
    pub(crate) fn from_bytes(bytes: [u8; Self::BYTES]) -> Option<Self> {
        let [kind, stage, step, _, a, b, c, d] = bytes;
        let number = i32::from_ne_bytes([a, b, c, d]);
        match kind {
            0 => Some(Self::Started { in_root: number != 0 }),
            1 => {
                let step = *Step::ALL.get(usize::from(step))?;
                Some(Self::Failed { stage, step, errno: number })
            }
            2 => Some(Self::Exited { stage, status: number }),
            3 => Some(Self::Apart),
            4 => Some(Self::Ready),
            5 => Some(Self::Born),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_survives_the_pipe() {
        for (at, step) in Step::ALL.into_iter().enumerate() {
            assert_eq!(step as usize, at, "ALL lists the steps in their order");
            let record = Record::Failed { stage: 3, step, errno: 13 };
            assert_eq!(Record::from_bytes(record.to_bytes()), Some(record));
        }
        for record in [
            Record::Apart,
            Record::Ready,
            Record::Born,
            Record::Started { in_root: true },
            Record::Exited { stage: 1, status: -1 },
        ] {
            assert_eq!(Record::from_bytes(record.to_bytes()), Some(record));
        }
        assert_eq!(Record::from_bytes([9; 8]), None);
    }
}
