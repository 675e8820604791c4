//! A box while it lives, from the parent's side.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};

use super::cgroup::MemoryGroup;
use super::hull::Hull;
use super::launch::Launched;
use super::sys;
use crate::status::StageStatus;

impl StageStatus {
    pub(super) fn from_wait(status: i32) -> Self {
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
    pub(super) kind: Kind,
    pub(super) statuses: Vec<Option<StageStatus>>,
    pub(super) group: Option<MemoryGroup>,
    pub(super) in_root: bool,
    pub(super) tasks_bounded: bool,
    /// Whether none of the commands can have a child.
    pub(super) alone: bool,
}

/// Whose children the commands are.
#[derive(Debug)]
pub(super) enum Kind {
    /// A first process of its own starts and reaps them.
    Box(Hull),
    /// The same, in a box that bwrap has made.
    Launched(Launched),
    /// This process's own; they cannot have any themselves.
    Direct(Vec<DirectChild>),
}

/// A command that is this process's own child.
#[derive(Debug)]
pub(super) struct DirectChild {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
}

impl Child {
    /// A descriptor that is readable when the run, or one of its commands, has ended; `None` once
    /// the run has.
    pub fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Kind::Box(hull) => hull.wait_fd(),
            Kind::Launched(launched) => launched.wait_fd(),
            Kind::Direct(children) => children
                .iter()
                .zip(&self.statuses)
                .find(|(_, status)| status.is_none())
                .map(|(child, _)| child.pidfd.as_fd()),
        }
    }

    /// A descriptor that is readable when a command has ended and [`Child::try_wait`] can learn of
    /// it, before the rest of the box has gone; `None` when there is nothing more to learn.
    pub fn status_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Kind::Box(hull) => hull.reports.fd(),
            Kind::Launched(launched) => launched.reports.fd(),
            Kind::Direct(_) => None,
        }
    }

    /// Whether every process of the run but the box's own has ended, so that nothing of it can act any
    /// more, and how its commands ended is known. What is left is for the kernel to take apart, and for
    /// [`Child::try_wait`] or a drop to see to. Does not wait.
    ///
    /// # Errors
    /// As [`Child::try_wait`].
    pub fn try_end(&mut self) -> io::Result<bool> {
        if let (Kind::Box(hull), true) = (&mut self.kind, self.alone) {
            hull.reports.collect(&mut self.statuses);
            if self.statuses.iter().all(Option::is_some) {
                return Ok(true);
            }
        }
        self.try_wait()
    }

    /// Whether the run has ended: every process of it, not only its commands. Does not wait.
    ///
    /// # Errors
    /// When somebody else has reaped this process's children.
    pub fn try_wait(&mut self) -> io::Result<bool> {
        match &mut self.kind {
            Kind::Box(hull) => {
                let ended = hull.try_wait()?;
                if hull.reports.collect(&mut self.statuses) {
                    // The kernel takes the box apart meanwhile.
                    self.group.iter_mut().for_each(MemoryGroup::finish);
                }
                Ok(ended)
            }
            Kind::Launched(launched) => {
                let ended = launched.try_wait()?;
                if launched.reports.collect(&mut self.statuses) {
                    self.group.iter_mut().for_each(MemoryGroup::finish);
                }
                Ok(ended)
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

    /// Whether the commands started at `/` because they could not enter the plan's directory.
    pub fn started_in_root(&self) -> bool {
        self.in_root
    }

    /// Passes a signal to every command that still runs.
    pub fn signal(&self, signal: i32) {
        match &self.kind {
            Kind::Box(hull) => hull.signal(signal),
            Kind::Launched(launched) => launched.signal(signal),
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
    /// [`Child::resident_bytes`] from time to time.
    pub fn memory_is_bounded(&self) -> bool {
        self.group.is_some()
    }

    /// Whether the kernel bounds the run's processes and threads; otherwise somebody must look at
    /// [`Child::tasks`].
    pub fn tasks_are_bounded(&self) -> bool {
        self.tasks_bounded
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
            Kind::Box(hull) => children_of(hull.pid()),
            // The first of them, where bwrap still has one, is the box's first process.
            Kind::Launched(launched) => children_of(launched.pid()).into_iter().skip(1).collect(),
            Kind::Direct(children) => children.iter().map(|c| c.pid).collect(),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A hull that is dropped sees to it itself.
        if let Kind::Direct(_) = self.kind
            && !matches!(self.try_wait(), Ok(true))
        {
            self.kind.kill();
            self.kind.wait_briefly();
            // What is still there then is stuck in the kernel.
            let _ = self.try_wait();
        }
    }
}

impl Kind {
    pub(super) fn kill(&mut self) {
        match self {
            Self::Box(hull) => hull.kill(),
            Self::Launched(launched) => launched.kill(),
            Self::Direct(children) => {
                for child in children {
                    // One that has just ended needs none.
                    let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
                }
            }
        }
    }

    /// Waits until the run has ended, but not for ever.
    pub(super) fn wait_briefly(&mut self) {
        match self {
            // They see to it when they are dropped.
            Self::Box(_) | Self::Launched(_) => {}
            Self::Direct(children) => children.iter().for_each(|child| {
                if readable(&[child.pidfd.as_fd()], KILL_TIME) {
                    // Reaped already, when `try_wait` was first.
                    let _ = sys::reap(child.pid);
                }
            }),
        }
    }
}

/// How long a killed process is waited for where nobody can wait longer.
pub(super) const KILL_TIME: Duration = Duration::from_secs(1);

/// Whether any of the descriptors becomes readable, or its other end closed, in that time.
pub(super) fn readable(fds: &[BorrowedFd<'_>], time: Duration) -> bool {
    let Ok(time) = Timespec::try_from(time) else { return false };
    let mut fds: Vec<_> =
        fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    loop {
        match poll(&mut fds, Some(&time)) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return matches!(ready, Ok(n) if n > 0),
        }
    }
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
