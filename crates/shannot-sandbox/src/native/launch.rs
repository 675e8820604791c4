//! Tier T3 from the supervisor's side: bwrap, and this program once more inside what it makes.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create, open};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use shannot_policy::Plan;
use shannot_policy::plan::Mount;
use shannot_policy::types::AbsPath;

use super::child::{KILL_TIME, readable};
use super::error::Error;
use super::handover;
use super::hides::Hidden;
use super::reports::Reports;
use super::run::{above_stdio, blocked, pipe};
use super::spec::{MaskKind, PlaceSpec, RunSpec};
use super::stage_two;
use super::step::{Record, Step};
use super::strings::StringArray;
use super::sys::{self, Errno, Fd};
use crate::bwrap::program::Bwrap;
use crate::bwrap::render::{self, Cover};
use crate::host::Host;
use crate::mounts::MountEntry;

/// How bwrap makes the box of a plan.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) bwrap: Bwrap,
    /// The words that make the box.
    pub(super) words: Vec<Vec<u8>>,
    /// The program that goes on inside.
    pub(super) stage_two: PathBuf,
}

/// A box that bwrap has made. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Launched {
    /// bwrap itself, which ends after the box's first process has.
    pid: i32,
    pidfd: OwnedFd,
    /// Its end ends the box. `None` once that is asked for.
    control: Option<OwnedFd>,
    pub(super) reports: Reports,
    reaped: bool,
}

/// Why there is no box.
#[derive(Debug)]
pub(super) enum LaunchError {
    /// What the box needs of this process could not be had.
    Host(&'static str, io::Error),
    /// bwrap ended before the box was made, and said this.
    Refused(String),
    /// A step inside the box failed.
    Step { stage: u8, step: Step, errno: Errno },
}

/// What the child that becomes bwrap is given.
pub(super) struct LaunchCall {
    program: Fd,
    argv: StringArray,
    env: StringArray,
    null: Fd,
    errors: Fd,
    /// What stays open until bwrap is executed.
    keep: Vec<Fd>,
    /// What stays open after.
    pass: Vec<Fd>,
    supervisor: i32,
}

impl Launcher {
    /// For a plan, with what it hides in the tree of this process, whose mounts are given.
    pub(super) fn new(
        plan: &Plan,
        host: &Host,
        hidden: &[Hidden],
        mounts: &[MountEntry],
    ) -> Result<Self, Error> {
        let tier = plan.outline.tier;
        let lacks = |lacks: String| Error::Lacks { tier, lacks };
        let bwrap = Bwrap::find().map_err(|what| lacks(format!("it needs {what}")))?;
        let scratch = plan.mounts.iter().any(|mount| matches!(mount, Mount::Scratch(..)));
        if scratch && bwrap.version < render::SIZE {
            return Err(lacks(
                "this bwrap cannot bound a scratch directory, for which it needs 0.7".into(),
            ));
        }
        let covered = covers(hidden, mounts)?;
        let covered = covered.iter().map(|(path, cover)| (path, *cover));
        Ok(Self {
            bwrap,
            words: render::words(&plan.outline, &plan.mounts, covered, bwrap.version),
            stage_two: host.stage_two.clone().unwrap_or_default(),
        })
    }

    /// Starts bwrap, and waits until every command is executed or something has failed. `run` is
    /// made with the descriptors of the reports and of control. Tells, too, whether the commands started at `/`.
    pub(super) fn start(
        &self,
        run: impl FnOnce(Fd, Fd) -> (PlaceSpec, RunSpec),
    ) -> Result<(Launched, bool), LaunchError> {
        let host = |what| move |e: io::Error| LaunchError::Host(what, e);
        let make_pipe = || pipe().map_err(host("make a pipe"));
        let ((control_read, control), (status, status_write)) = (make_pipe()?, make_pipe()?);
        let (errors, errors_write) = make_pipe()?;
        let (place, run) = run(status_write.as_raw_fd(), control_read.as_raw_fd());
        let handed = sealed(&handover::write(&place, &run, control_read.as_raw_fd()));
        let handed = handed.map_err(host("hand over the run (memfd_create)"))?;
        let opened = |path: &str, flags| {
            let fd = open(path, flags | OFlags::CLOEXEC, Mode::empty()).map_err(io::Error::from);
            fd.and_then(above_stdio)
        };
        let inside = self.stage_two.to_string_lossy();
        let inside = opened(&inside, OFlags::RDONLY).map_err(host("open this program"))?;
        let null = opened("/dev/null", OFlags::RDWR).map_err(host("open /dev/null"))?;
        let program = self.bwrap.open().map_err(LaunchError::Refused)?;
        let mut pass = run.keep.clone();
        pass.extend([&handed, &inside].map(AsRawFd::as_raw_fd));
        let mut keep = pass.clone();
        keep.extend([&errors_write, &null, &program].map(AsRawFd::as_raw_fd));
        keep.sort_unstable();
        let call = LaunchCall {
            program: program.as_raw_fd(),
            argv: StringArray::new(self.argv(&inside, &handed)),
            env: StringArray::new(Vec::new()),
            null: null.as_raw_fd(),
            errors: errors_write.as_raw_fd(),
            keep,
            pass,
            supervisor: rustix::process::getpid().as_raw_nonzero().get(),
        };
        let mut stack = Box::new_uninit_slice(1024);
        let pid = blocked(|| sys::start_launcher(&call, &mut stack))
            .map_err(|e| LaunchError::Host("start bwrap", e.into()))?;
        let pidfd = Pid::from_raw(pid).ok_or(rustix::io::Errno::SRCH);
        let pidfd = pidfd.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let pidfd = pidfd.map_err(|e| LaunchError::Host("watch bwrap", e.into()))?;
        let control = Some(control);
        let launched =
            Launched { pid, pidfd, control, reports: Reports::new(status), reaped: false };
        drop(errors_write);
        launched.started(errors.into())
    }

    /// The whole command line: bwrap's own words, then this program inside.
    fn argv(&self, inside: &OwnedFd, handed: &OwnedFd) -> Vec<CString> {
        let made = ["bwrap", "--as-pid-1"].map(Vec::from).into_iter();
        let command = [
            "--".into(),
            format!("/proc/self/fd/{}", inside.as_raw_fd()),
            stage_two::WORD.into(),
            handed.as_raw_fd().to_string(),
        ];
        let words = made.chain(self.words.iter().cloned());
        let words = words.chain(["--chdir", "/"].map(Vec::from));
        words
            .chain(command.map(String::into_bytes))
            // Paths and numbers hold no NUL.
            .filter_map(|word| CString::new(word).ok())
            .collect()
    }
}

/// What bwrap is to put over all that is hidden.
///
/// # Errors
/// A path that the kernel does not write like this.
pub(super) fn covers(
    hidden: &[Hidden],
    mounts: &[MountEntry],
) -> Result<Vec<(AbsPath, Cover)>, Error> {
    let covered = hidden.iter().filter_map(|hidden| Some((&hidden.path, cover(hidden, mounts)?)));
    let path = |path: &PathBuf| {
        let read = AbsPath::new(path.as_os_str().as_bytes());
        read.map_err(|error| Error::host("hide a path", io::Error::other(error)))
    };
    covered.map(|(hidden, cover)| Ok((path(hidden)?, cover))).collect()
}

/// What bwrap, which guesses nothing, is to put over a hidden path. `None` for one that is not
/// there, or that this user cannot walk to.
fn cover(hidden: &Hidden, mounts: &[MountEntry]) -> Option<Cover> {
    if hidden.seen() || hidden.is_distant(mounts) {
        return Some(match hidden.kind {
            MaskKind::Dir => Cover::Directory,
            MaskKind::File => Cover::File,
        });
    }
    let found = hidden.path.symlink_metadata().ok()?;
    Some(if found.is_dir() { Cover::Directory } else { Cover::File })
}

/// A file of memory that nobody changes any more.
fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = memfd_create("shannot", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(above_stdio(fd)?);
    file.write_all(bytes)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

impl Launched {
    /// Waits for the answer of the box's first process.
    fn started(self, mut errors: File) -> Result<(Self, bool), LaunchError> {
        match self.reports.next(self.pidfd.as_fd()) {
            Ok(Record::Started { in_root }) => Ok((self, in_root)),
            Ok(Record::Failed { stage, step, errno }) => {
                Err(LaunchError::Step { stage, step, errno: Errno(errno) })
            }
            Ok(Record::Apart | Record::Ready | Record::Born | Record::Exited { .. }) => {
                let wrong = io::Error::other("it gave a wrong answer");
                Err(LaunchError::Host("start the box", wrong))
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                let mut text = [0; 512];
                // It has ended, and what it wrote is in the pipe.
                let length = errors.read(&mut text).unwrap_or(0);
                let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
                let said = text.lines().next().unwrap_or_default().trim_start_matches("bwrap: ");
                Err(LaunchError::Refused(said.to_owned()))
            }
            Err(e) => Err(LaunchError::Host("get an answer of the box's first process", e)),
        }
    }

    /// bwrap's process id; the box's first process is its child.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Readable when the box has ended; `None` once [`Launched::try_wait`] was true.
    pub(super) fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        (!self.reaped).then(|| self.pidfd.as_fd())
    }

    /// Whether the box has ended: bwrap waits for its first process.
    pub(super) fn try_wait(&mut self) -> io::Result<bool> {
        if !self.reaped {
            self.reaped = match sys::reap(self.pid) {
                // It has, and the kernel reaped it, for a process that ignores `SIGCHLD`. How it
                // ended says nothing: the reports do.
                Err(Errno(libc::ECHILD)) => true,
                reaped => reaped?.is_some(),
            };
        }
        Ok(self.reaped)
    }

    /// Has the first process pass a signal to its commands.
    pub(super) fn signal(&self, signal: i32) {
        if let (Some(control), Ok(byte)) = (&self.control, u8::try_from(signal)) {
            // A full pipe means thousands of signals that were not taken yet.
            let _ = rustix::io::write(control, &[byte]);
        }
    }

    /// Ends the box. bwrap must live to tell when it has.
    pub(super) fn kill(&mut self) {
        self.control = None;
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if !matches!(self.try_wait(), Ok(true)) {
            self.kill();
            if !readable(&[self.pidfd.as_fd()], KILL_TIME) {
                // Held up while it makes the box; its child ends with it.
                let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
                readable(&[self.pidfd.as_fd()], KILL_TIME);
            }
            // What is still there then is stuck in the kernel.
            let _ = self.try_wait();
        }
    }
}

/// Becomes bwrap, under the rules of [`super::enter`]. Never returns.
pub(super) extern "C" fn launch_main(call: &LaunchCall) -> ! {
    // Whatever fails here shows as an end without a word.
    super::enter::close_all_but(&call.keep, None);
    for (fd, standard) in [(call.null, 0), (call.null, 1), (call.errors, 2)] {
        if sys::dup3(fd, standard, 0).is_err() {
            sys::exit(125);
        }
    }
    for fd in &call.pass {
        if sys::keep_open(*fd).is_err() {
            sys::exit(125);
        }
    }
    let _ = sys::setsid();
    for signal in 1..=64 {
        let _ = sys::default_action(signal);
    }
    if sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as usize, 0).is_err()
        || sys::parent() != call.supervisor
        || sys::set_signal_mask(0).is_err()
    {
        sys::exit(125);
    }
    sys::exec(call.program, &call.argv, &call.env, 0);
    sys::exit(126)
}
