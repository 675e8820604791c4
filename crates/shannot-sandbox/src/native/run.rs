//! One run of a prepared box, from the parent's side.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::cgroup::{Join, MemoryGroup};
use super::enter::StageCall;
use super::error::Error;
use super::landlock;
use super::prepare::{Prepared, RunRules, Starts};
use super::spec::{RunSpec, StageIo};
use super::step::{Record, Step};
use super::sys::{self, BoxProcess, Errno, Fd, SignalMask};

/// How long the steps into the box may take. They are system calls on local state; one that
/// blocks (a mount point on a dead server) must not hold the caller.
const SETUP_TIME: Duration = Duration::from_secs(10);

/// The ends of the pipes that the box gets. Never a descriptor of the caller's own.
#[derive(Debug)]
pub struct Stdio {
    /// Standard input of the first stage.
    pub stdin: OwnedFd,
    /// Standard output of the last stage.
    pub stdout: OwnedFd,
    /// Standard error of every stage.
    pub stderr: OwnedFd,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageStatus {
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal.
    Signaled(i32),
}

impl StageStatus {
    fn from_wait(status: i32) -> Self {
        if libc::WIFSIGNALED(status) {
            Self::Signaled(libc::WTERMSIG(status))
        } else {
            Self::Exited(libc::WEXITSTATUS(status))
        }
    }
}

/// A box that runs. Dropping it ends every process in it.
#[derive(Debug)]
pub struct Child {
    kind: Kind,
    statuses: Vec<Option<StageStatus>>,
    group: Option<MemoryGroup>,
}

#[derive(Debug)]
enum Kind {
    /// A first process of its own starts and reaps the commands.
    Box {
        process: BoxProcess,
        /// Its end ends the box. `None` once that is asked for.
        control: Option<OwnedFd>,
        status: OwnedFd,
        /// Whether ending the first process ends the box, which a pid namespace makes true.
        namespaced: bool,
        reaped: bool,
    },
    /// The commands are this process's own children, and cannot have any themselves.
    Direct(Vec<DirectChild>),
}

#[derive(Debug)]
struct DirectChild {
    pid: i32,
    pidfd: OwnedFd,
}

impl Prepared {
    /// Starts one run. Call it from a thread that outlives the run: a command without an init
    /// dies with the *thread* that started it.
    ///
    /// # Errors
    /// Nothing has been executed, or it has been ended again: the tier could not be had, a
    /// program was not found in the box or could not be executed.
    pub fn start(&self, stdio: Stdio) -> Result<Child, Error> {
        let pipes = Pipes::new(stdio, self.spec.stages.len(), self.starts)?;
        let own_ruleset;
        let ruleset = match &self.rules {
            RunRules::Shared(ruleset) => ruleset,
            RunRules::Each { abi, reads, rules } => {
                own_ruleset = landlock::ruleset(*abi, *reads, rules)?;
                &own_ruleset
            }
        };
        let group = self.memory.as_ref().map(|parent| parent.make(self.memory_limit)).transpose();
        let group = group.map_err(|e| Error::host("make a cgroup for the run", e))?;
        let mut run = RunSpec {
            prepared: Arc::clone(&self.spec),
            init_pid: AtomicI32::new(0),
            status: pipes.status.1.as_raw_fd(),
            control: pipes.control.as_ref().map(|(read, _)| read.as_raw_fd()),
            ruleset: ruleset.as_raw_fd(),
            cgroup: group.as_ref().map(MemoryGroup::join),
            stage_io: pipes.stage_io(),
            keep: Vec::new(),
        };
        run.keep = run.descriptors();
        let started = match self.starts {
            Starts::Box => self.start_box(run, pipes),
            Starts::Direct => self.start_direct(&run, pipes),
        };
        started.map(|kind| Child { kind, statuses: vec![None; self.spec.stages.len()], group })
    }

    fn start_box(&self, run: RunSpec, pipes: Pipes) -> Result<Kind, Error> {
        let dumpable = rustix::process::dumpable_behavior();
        let process = blocked(|| BoxProcess::start(self.spec.namespaces, Arc::new(run)))
            .map_err(|e| self.failed(0, Step::Clone, e))?;
        let (control, status) = pipes.parent_ends();
        let mut kind = Kind::Box {
            process,
            control,
            status,
            namespaced: self.spec.init_domain.is_none(),
            reaped: false,
        };
        let answer = kind.first_record();
        // Taking another uid marks the memory as not dumpable, and this process shares it until
        // the command is executed.
        if let (Some(_), Ok(before)) = (&self.spec.identity.unused, dumpable) {
            // Refused only for an unknown value, and this one came from the kernel.
            let _ = rustix::process::set_dumpable_behavior(before);
        }
        let failure = match answer {
            Ok(Record::Started) => return Ok(kind),
            Ok(Record::Failed { stage, step, errno }) => self.failed(stage, step, Errno(errno)),
            Ok(Record::Exited { .. }) | Err(_) => {
                Error::host("start the box", io::Error::other("its first process gave no answer"))
            }
        };
        kind.kill();
        kind.wait_briefly();
        Err(failure)
    }

    fn start_direct(&self, run: &RunSpec, pipes: Pipes) -> Result<Kind, Error> {
        let mut stack = Box::new_uninit_slice(2048);
        let mut children = Vec::with_capacity(self.spec.stages.len());
        let own = rustix::process::getpid().as_raw_nonzero().get();
        for (stage, index) in self.spec.stages.iter().zip(0u8..) {
            let call = StageCall { run, stage, index, mount_table: &[], die_with: Some(own) };
            let pid = blocked(|| sys::start_stage(&call, &[], &mut stack))
                .map_err(|e| self.failed(index, Step::StartStage, e))?;
            let pidfd = Pid::from_raw(pid).ok_or(rustix::io::Errno::SRCH);
            let pidfd = pidfd.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
            let pidfd = pidfd.map_err(|e| Error::host("open a descriptor for a command", e))?;
            children.push(DirectChild { pid, pidfd });
        }
        let mut kind = Kind::Direct(children);
        let (_, status) = pipes.parent_ends();
        let mut record = [0u8; Record::BYTES];
        // Every child has executed or ended by now: what is in the pipe is all there will be. It
        // need not be closed yet, for execve returns to us before it closes descriptors.
        let failure = match rustix::io::read(&status, &mut record) {
            Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(kind),
            Ok(_) => match Record::from_bytes(record) {
                Some(Record::Failed { stage, step, errno }) => {
                    self.failed(stage, step, Errno(errno))
                }
                _ => Error::host("start a command", io::Error::other("it gave a wrong answer")),
            },
            Err(e) => Error::host("read the answer of a command", e),
        };
        kind.kill();
        kind.wait_briefly();
        Err(failure)
    }

    fn failed(&self, stage: u8, step: Step, errno: Errno) -> Error {
        let program = self.programs.get(usize::from(stage)).map_or("", String::as_str);
        Error::step(self.tier, step, errno, program, &self.spec.cwd.to_string_lossy())
    }
}

impl Child {
    /// A descriptor that is readable when [`Child::try_wait`] has something new; `None` once the
    /// run has ended.
    pub fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Kind::Box { reaped: true, .. } => None,
            Kind::Box { process, .. } => Some(process.pidfd.as_fd()),
            Kind::Direct(children) => children
                .iter()
                .zip(&self.statuses)
                .find(|(_, status)| status.is_none())
                .map(|(child, _)| child.pidfd.as_fd()),
        }
    }

    /// Whether the run has ended: every process of it, not only its commands. Does not wait.
    ///
    /// # Errors
    /// When somebody else has reaped this process's children.
    pub fn try_wait(&mut self) -> io::Result<bool> {
        match &mut self.kind {
            Kind::Box { reaped: true, .. } => Ok(true),
            Kind::Box { process, status, reaped, .. } => {
                *reaped = process.reap()?.is_some();
                if *reaped {
                    collect(status, &mut self.statuses);
                }
                Ok(*reaped)
            }
            Kind::Direct(children) => {
                for (child, status) in children.iter().zip(&mut self.statuses) {
                    if status.is_none() {
                        let reaped = sys::reap(child.pid)?;
                        *status = reaped.map(|r| StageStatus::from_wait(r.status));
                    }
                }
                Ok(self.statuses.iter().all(Option::is_some))
            }
        }
    }

    /// How each stage ended; `None` for one that was ended with the box before it could tell.
    pub fn statuses(&self) -> &[Option<StageStatus>] {
        &self.statuses
    }

    /// Passes a signal to every command that still runs.
    pub fn signal(&self, signal: i32) {
        match &self.kind {
            Kind::Box { control, .. } => {
                if let (Some(control), Ok(byte)) = (control, u8::try_from(signal)) {
                    // A full pipe means thousands of signals that were not taken yet.
                    let _ = rustix::io::write(control, &[byte]);
                }
            }
            Kind::Direct(children) => {
                let Some(signal) = Signal::from_named_raw(signal) else { return };
                for (child, status) in children.iter().zip(&self.statuses) {
                    if status.is_none() {
                        // One that has just ended needs none.
                        let _ = pidfd_send_signal(&child.pidfd, signal);
                    }
                }
            }
        }
    }

    /// Ends every process of the run at once. They are gone when [`Child::try_wait`] says so.
    pub fn kill(&mut self) {
        self.kind.kill();
    }

    /// Whether the kernel has ended a process of the run for the memory limit.
    pub fn out_of_memory(&self) -> bool {
        self.group.as_ref().is_some_and(|g| g.oom_kills() > 0)
    }

    /// Whether a cgroup bounds the run's memory; otherwise somebody must look at
    /// [`Child::resident_bytes`] from time to time, and in tier L at [`Child::tasks`].
    pub fn memory_is_bounded(&self) -> bool {
        self.group.is_some()
    }

    /// The run's processes and threads now.
    pub fn tasks(&self) -> usize {
        self.processes().into_iter().map(|pid| tasks_of(pid).count()).sum()
    }

    /// The memory that the run's processes have in use now, shared pages counted once for each.
    pub fn resident_bytes(&self) -> u64 {
        self.processes().into_iter().map(resident).sum()
    }

    /// The process ids of the run, but not that of a first process of ours, which runs on this
    /// process's own memory.
    fn processes(&self) -> Vec<i32> {
        match &self.kind {
            Kind::Box { process, .. } => children_of(process.pid),
            Kind::Direct(children) => children.iter().map(|c| c.pid).collect(),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !matches!(self.try_wait(), Ok(true)) {
            self.kind.kill();
            self.kind.wait_briefly();
            // What is still there then is stuck in the kernel; `BoxProcess` keeps its memory.
            let _ = self.try_wait();
        }
    }
}

impl Kind {
    fn kill(&mut self) {
        match self {
            Self::Box { process, control, namespaced, reaped, .. } => {
                // Without a pid namespace the first process ends the others, and must live to.
                *control = None;
                if *namespaced && !*reaped {
                    // One that has just ended needs none.
                    let _ = pidfd_send_signal(&process.pidfd, Signal::KILL);
                }
            }
            Self::Direct(children) => {
                for child in children {
                    let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
                }
            }
        }
    }

    /// Waits until the run has ended, but not for ever.
    fn wait_briefly(&mut self) {
        let wait = |fd: &OwnedFd| readable(fd, Duration::from_secs(1));
        match self {
            Self::Box { process, reaped, .. } => {
                if wait(&process.pidfd) {
                    *reaped = matches!(process.reap(), Ok(Some(_)));
                }
            }
            Self::Direct(children) => children.iter().for_each(|child| {
                if wait(&child.pidfd) {
                    // Reaped already, when `try_wait` was first.
                    let _ = sys::reap(child.pid);
                }
            }),
        }
    }

    fn first_record(&self) -> io::Result<Record> {
        let Self::Box { status, .. } = self else { return Err(io::Error::other("no box")) };
        if !readable(status, SETUP_TIME) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut bytes = [0u8; Record::BYTES];
        let read = rustix::io::read(status, &mut bytes)?;
        let record = (read == Record::BYTES).then(|| Record::from_bytes(bytes)).flatten();
        record.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Reads what the first process has told of its commands.
fn collect(status: &OwnedFd, statuses: &mut [Option<StageStatus>]) {
    let mut bytes = [0u8; Record::BYTES];
    while let Ok(Record::BYTES) = rustix::io::read(status, &mut bytes) {
        if let Some(Record::Exited { stage, status }) = Record::from_bytes(bytes)
            && let Some(slot) = statuses.get_mut(usize::from(stage))
        {
            *slot = Some(StageStatus::from_wait(status));
        }
    }
}

fn readable(fd: &OwnedFd, time: Duration) -> bool {
    let Ok(time) = Timespec::try_from(time) else { return false };
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    loop {
        match poll(&mut fds, Some(&time)) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return matches!(ready, Ok(n) if n > 0),
        }
    }
}

/// Does `f` with every signal blocked, so that no handler of this process can run in a child
/// that shares its memory.
fn blocked<T>(f: impl FnOnce() -> T) -> T {
    let before = sys::set_signal_mask(SignalMask::MAX);
    let value = f();
    if let Ok(before) = before {
        // Cannot fail: the mask came from the kernel.
        let _ = sys::set_signal_mask(before);
    }
    value
}

/// All descendants of a process. The kernel lists them for each thread that made some.
fn children_of(pid: i32) -> Vec<i32> {
    let mut all = Vec::new();
    for thread in tasks_of(pid) {
        let text = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        all.extend(text.split_whitespace().filter_map(|p| p.parse::<i32>().ok()));
    }
    for child in all.clone() {
        all.extend(children_of(child));
    }
    all
}

/// The threads of a process.
fn tasks_of(pid: i32) -> impl Iterator<Item = std::fs::DirEntry> {
    std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten()
}

fn resident(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages = text.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok());
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    pages.unwrap_or(0) * page
}

impl RunSpec {
    fn descriptors(&self) -> Vec<Fd> {
        let mut all = vec![self.status, self.ruleset];
        all.extend(self.control);
        all.extend(self.cgroup.map(Join::fd));
        all.extend(self.stage_io.iter().flat_map(|io| [io.stdin, io.stdout, io.stderr]));
        all.extend(self.prepared.init_domain.as_ref().map(AsRawFd::as_raw_fd));
        all.extend(
            self.prepared.stages.iter().filter_map(|s| Some(s.exec_ruleset.as_ref()?.as_raw_fd())),
        );
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The pipes of a run.
struct Pipes {
    stdio: Stdio,
    /// Between each stage and the next: read end, write end.
    between: Vec<(OwnedFd, OwnedFd)>,
    status: (OwnedFd, OwnedFd),
    /// Only a first process listens.
    control: Option<(OwnedFd, OwnedFd)>,
}

impl Pipes {
    fn new(stdio: Stdio, stages: usize, starts: Starts) -> Result<Self, Error> {
        let pipe = || {
            let (r, w) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
                .map_err(|e| Error::host("make a pipe", e))?;
            Ok((above_stdio(r)?, above_stdio(w)?))
        };
        Ok(Self {
            stdio: Stdio {
                stdin: above_stdio(stdio.stdin)?,
                stdout: above_stdio(stdio.stdout)?,
                stderr: above_stdio(stdio.stderr)?,
            },
            between: (1..stages).map(|_| pipe()).collect::<Result<_, _>>()?,
            status: pipe()?,
            control: (starts == Starts::Box).then(pipe).transpose()?,
        })
    }

    fn stage_io(&self) -> Vec<StageIo> {
        let ins = std::iter::once(&self.stdio.stdin).chain(self.between.iter().map(|(r, _)| r));
        let outs = self.between.iter().map(|(_, w)| w).chain(std::iter::once(&self.stdio.stdout));
        ins.zip(outs)
            .map(|(stdin, stdout)| StageIo {
                stdin: stdin.as_raw_fd(),
                stdout: stdout.as_raw_fd(),
                stderr: self.stdio.stderr.as_raw_fd(),
            })
            .collect()
    }

    /// Closes the box's ends and returns ours: control to write, status to read. Reading status
    /// never blocks: other children of this process may hold its other end for a moment.
    fn parent_ends(self) -> (Option<OwnedFd>, OwnedFd) {
        let (status, _) = self.status;
        let control = self.control.map(|(_, write)| write);
        for end in control.iter().chain([&status]) {
            // Refused for a bad descriptor only.
            let _ = rustix::fs::fcntl_setfl(end, rustix::fs::OFlags::NONBLOCK);
        }
        (control, status)
    }
}

/// A descriptor above 2, so that making a stage's 0, 1 and 2 cannot overwrite one still needed.
fn above_stdio(fd: OwnedFd) -> Result<OwnedFd, Error> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    rustix::io::fcntl_dupfd_cloexec(&fd, 3).map_err(|e| Error::host("duplicate a descriptor", e))
}
