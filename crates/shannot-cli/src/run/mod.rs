//! `shannot run`: one request, its output where the caller wants it, and its exit code.

use std::io::IsTerminal as _;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use shannot::policy::types::{ByteSize, Timeout};
use shannot::policy::{Profile, Request};
use shannot::{Executor, Gate, Input, Io, LocalExecutor, Outcome, Output, SshExecutor};

use crate::args::{Global, Run as Args};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::profiles::Profiles;
use crate::remote;
use crate::render::human;
use crate::render::json::{self, About, Held, RunResult};
use crate::request::Asked;
use crate::run_id::run_id;
use crate::surroundings::{Surroundings, local_executor};
use crate::targets::{self, Files, Target, TargetName, Targets};
use attend::{Attended, attend};
use screen::Screen;
use signals::Signals;

mod attend;
mod screen;
mod signals;

/// Runs a command and answers as it did.
pub(crate) fn run(args: Args, global: &Global) -> ExitCode {
    let surroundings = Surroundings::read();
    let mut asked = Asked::new(args.command, args.pipe);
    (asked.cwd, asked.timeout) = (args.cwd, args.timeout);
    let wishes = Wishes {
        asked,
        target: args.target,
        stdin: if args.no_stdin { Stdin::Empty } else { Stdin::Passed },
        output: match (global.json, args.raw) {
            (true, _) => Wanted::Held,
            (false, true) => Wanted::Raw,
            (false, false) => Wanted::Harmless,
        },
    };
    let stages = wishes.asked.shown();
    let target = wishes.target.as_ref().map_or_else(String::new, ToString::to_string);
    let mut about = About { target, profile: None, stages, cwd: None, run_id: String::new() };
    let done = perform(&wishes, global, &surroundings, &mut about);
    match done {
        Ok(done) => {
            let code = ExitCode::of_outcome(&done.outcome, done.passed_on);
            if !global.json {
                human::complain_of_end(&done.outcome, done.wall);
            }
            if global.verbose {
                human::tell_enforcement(&done.outcome);
            }
            if global.json {
                json::print(&RunResult::of_outcome(about, &done.outcome, done.held, code));
            }
            code
        }
        Err(error) => {
            if global.json {
                json::print(&RunResult::of_error(about, &error));
            } else {
                human::complain_of(&error);
            }
            ExitCode::of_error(&error)
        }
    }
}

/// What the caller wants.
struct Wishes {
    asked: Asked,
    target: Option<TargetName>,
    stdin: Stdin,
    output: Wanted,
}

/// Where the first stage reads.
#[derive(Clone, Copy)]
enum Stdin {
    Empty,
    Passed,
}

/// Where output goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Into one object.
    Held,
    /// Through to the caller's descriptors.
    Raw,
    /// The same, but a terminal is shown nothing that it would obey.
    Harmless,
}

/// A run that is over.
struct Done {
    outcome: Outcome,
    held: Held,
    passed_on: Option<i32>,
    wall: Timeout,
}

fn perform(
    wishes: &Wishes,
    global: &Global,
    surroundings: &Surroundings,
    about: &mut About,
) -> Result<Done, Error> {
    if global.json {
        about.run_id = run_id()?;
    }
    let stages = wishes.asked.stages()?;
    let programs: Vec<_> = stages.as_slice().iter().map(|argv| argv.program.clone()).collect();
    let target = target(wishes, global, surroundings)?;
    about.target = target.name.value.to_string();
    let profiles = Profiles::new(surroundings);
    let place = Place::of(&target)?;
    let asked = global.profile.as_deref().or(surroundings.profile.as_deref());
    let asked = asked.or(target.profile.as_ref().map(|profile| profile.value.as_str().as_ref()));
    let mut go = |profile: Arc<Profile>| {
        about.profile = Some(profile.name.to_string());
        let cwd = surroundings.cwd.as_deref().filter(|_| place.is_here());
        let request = wishes.asked.request(stages.clone(), &profile, cwd, &surroundings.locale)?;
        run_with(place.executor(), profile, request, wishes, about)
    };
    let Some(built_in) = profiles.built_in(asked) else {
        return go(profiles.select(asked)?.profile);
    };
    if let Place::Here(executor) = &place
        && built_in.may_mean(&programs)
    {
        executor.expect(built_in.view, built_in.prefer, built_in.root_reads);
    }
    match go(built_in.read_for(&programs)?) {
        // Only the whole profile can say what is allowed instead.
        Err(Error::Denied(_)) => go(profiles.select(asked)?.profile),
        done => done,
    }
}

/// Where a target's commands run.
enum Place {
    Here(Arc<LocalExecutor>),
    There(Arc<dyn Executor>),
}

impl Place {
    fn of(target: &Target) -> Result<Self, Error> {
        let name = &target.name.value;
        match &target.executor {
            targets::Executor::Local => Ok(Self::Here(Arc::new(local_executor()))),
            targets::Executor::Ssh(ssh) => {
                let executor = SshExecutor::new(remote::ssh_target(name, ssh)?);
                Ok(Self::There(Arc::new(executor)))
            }
            targets::Executor::Http(_) => Err(Error::Asked {
                what: format!("this version cannot run commands on `{name}`, which is an agent"),
                hint: "`--target local` runs them here".to_owned(),
            }),
        }
    }

    const fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    fn executor(&self) -> Arc<dyn Executor> {
        match self {
            Self::Here(executor) => Arc::clone(executor) as Arc<_>,
            Self::There(executor) => Arc::clone(executor),
        }
    }
}

/// Where to run.
fn target(wishes: &Wishes, global: &Global, surroundings: &Surroundings) -> Result<Target, Error> {
    let files = Files::new(surroundings, global.config.as_deref());
    let mut targets = Targets::read(&files, surroundings)?;
    let name = wishes.target.as_ref().unwrap_or(&targets.default.value).clone();
    targets.targets.remove(&name).ok_or_else(|| targets.no_target(&name))
}

fn run_with(
    executor: Arc<dyn Executor>,
    profile: Arc<Profile>,
    request: Request,
    wishes: &Wishes,
    about: &mut About,
) -> Result<Done, Error> {
    let limits = profile.limits;
    let wall = request.timeout.map_or(limits.wall, |time| time.min(limits.wall));
    let asked = request.cwd.path();
    about.cwd = Some(asked.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::internal("start the runtime", source))?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let gate = Gate::new([profile], executor);
        let attended = start(&gate, request, wishes, limits.output, &mut signals).await?;
        let Attended { outcome, held, passed_on } = attended;
        if let Some(cwd) = &outcome.cwd
            && *cwd != asked
        {
            about.cwd = Some(cwd.to_string());
            if wishes.output != Wanted::Held && rustix::termios::isatty(rustix::stdio::stderr()) {
                human::complain(&format!(
                    "started in `{cwd}`: the box cannot enter this directory"
                ));
            }
        }
        Ok(Done { outcome, held, passed_on, wall })
    })
}

/// Starts a request and sees it to its end.
async fn start(
    gate: &Gate,
    request: Request,
    wishes: &Wishes,
    limit: ByteSize,
    signals: &mut Signals,
) -> Result<Attended, Error> {
    let stdin = match wishes.stdin {
        Stdin::Empty => Input::Empty,
        Stdin::Passed => Input::Fd(duplicate(rustix::stdio::stdin())?),
    };
    let (output, screens) = match wishes.output {
        Wanted::Held => (Output::Events, Vec::new()),
        Wanted::Raw => {
            let stdout = for_output(rustix::stdio::stdout())?;
            (Output::Fds { stdout, stderr: for_output(rustix::stdio::stderr())? }, Vec::new())
        }
        Wanted::Harmless => {
            let (stdout, out) = Screen::before(for_output(rustix::stdio::stdout())?)?;
            let (stderr, err) = Screen::before(for_output(rustix::stdio::stderr())?)?;
            (Output::Fds { stdout, stderr }, out.into_iter().chain(err).collect())
        }
    };
    let run = gate.run(request, Io { stdin, output })?;
    attend(run, signals, screens, limit).await
}

/// A descriptor of our own for output. A terminal that is stopped, or that nobody reads, must not
/// hold up whoever holds the limits: it is opened again, for its own opening is the caller's too, and
/// stays blocking.
fn for_output(fd: impl AsFd) -> Result<OwnedFd, Error> {
    let own = duplicate(fd)?;
    if !own.is_terminal() {
        return Ok(own);
    }
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let path = format!("/proc/self/fd/{}", own.as_raw_fd());
    // Somebody else's, after `su`, is written to as it is.
    Ok(rustix::fs::open(path, flags, Mode::empty()).unwrap_or(own))
}

/// A descriptor of our own for the same open file.
fn duplicate(fd: impl AsFd) -> Result<OwnedFd, Error> {
    fd.as_fd()
        .try_clone_to_owned()
        .map_err(|source| Error::internal("duplicate a descriptor", source))
}
