//! `shannot run`: one request, its output where the caller wants it, and its exit code.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::sync::Arc;

use shannot::policy::types::{AbsPath, Timeout};
use shannot::policy::{Argv, Profile, Request, RequestError, Stages};
use shannot::sandbox::Error as StartError;
use shannot::{End, Failure, Gate, Input, Io, LocalExecutor, Outcome, Output};

use crate::args::{Global, Run as Args};
use crate::config::Surroundings;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::profiles::Profiles;
use crate::render::json::{self, About, Held, RunResult};
use crate::render::human;
use attend::{Attended, attend};
use screen::Screen;
use signals::Signals;

mod attend;
mod screen;
mod signals;

/// Runs a command and answers as it did.
pub(crate) fn run(args: Args, global: &Global) -> ExitCode {
    let surroundings = Surroundings::read();
    let words = stage_words(args.command, args.pipe);
    let shown = |words: &Vec<OsString>| {
        words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let stages = words.iter().map(shown).collect();
    let mut about = About { profile: None, stages, cwd: None, run_id: String::new() };
    let asked = Asked {
        words,
        cwd: args.cwd,
        timeout: args.timeout,
        stdin: if args.no_stdin { Stdin::Empty } else { Stdin::Passed },
        output: match (global.json, args.raw) {
            (true, _) => Wanted::Held,
            (false, true) => Wanted::Raw,
            (false, false) => Wanted::Harmless,
        },
    };
    let done = perform(&asked, global, &surroundings, &mut about);
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

/// What the caller asked for.
struct Asked {
    words: Vec<Vec<OsString>>,
    cwd: Option<std::path::PathBuf>,
    timeout: Option<Timeout>,
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
#[derive(Clone, Copy)]
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

/// The words of each stage. Only with `--pipe` does a word `|` stand between two.
fn stage_words(words: Vec<OsString>, pipe: bool) -> Vec<Vec<OsString>> {
    if pipe {
        words.split(|word| word == "|").map(<[OsString]>::to_vec).collect()
    } else {
        vec![words]
    }
}

fn perform(
    asked: &Asked,
    global: &Global,
    surroundings: &Surroundings,
    about: &mut About,
) -> Result<Done, Error> {
    if global.json {
        about.run_id = run_id()?;
    }
    let profiles = Profiles::new(surroundings);
    let profile = profiles.select(global.profile.as_deref())?.profile;
    about.profile = Some(profile.name.to_string());
    let mut request = request(asked, &profile, surroundings)?;
    about.cwd = request.cwd.as_ref().map(ToString::to_string);
    let wall = request.timeout.map_or(profile.limits.wall, |t| t.min(profile.limits.wall));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::internal("start the runtime", source))?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let limit = profile.limits.output;
        let gate = Gate::new([profile], Arc::new(LocalExecutor::on_this_thread()?));
        let mut attended = start(&gate, request.clone(), asked, limit, &mut signals).await?;
        if asked.cwd.is_none() && request.cwd.is_some() && cannot_enter(&attended.outcome) {
            // Nothing has been executed and nothing read.
            if rustix::termios::isatty(rustix::stdio::stderr()) {
                human::complain("the box cannot enter this directory; starting in `/`");
            }
            request.cwd = None;
            about.cwd = None;
            attended = start(&gate, request, asked, limit, &mut signals).await?;
        }
        about.cwd.get_or_insert_with(|| "/".to_owned());
        let Attended { outcome, held, passed_on } = attended;
        Ok(Done { outcome, held, passed_on, wall })
    })
}

fn request(
    asked: &Asked,
    profile: &Profile,
    surroundings: &Surroundings,
) -> Result<Request, Error> {
    let argv = |words: &Vec<OsString>| {
        Argv::from_words(words.iter().map(|word| word.clone().into_vec()))
    };
    let stages = asked.words.iter().map(argv).collect::<Result<Vec<_>, RequestError>>()?;
    Ok(Request {
        profile: profile.name.clone(),
        stages: Stages::new(stages)?,
        cwd: cwd(asked, surroundings)?,
        timeout: asked.timeout,
        locale: surroundings.locale.clone(),
    })
}

/// The directory that was asked for, or else this process's own where it has a name.
fn cwd(asked: &Asked, surroundings: &Surroundings) -> Result<Option<AbsPath>, Error> {
    let bytes = |path: std::path::PathBuf| path.into_os_string().into_vec();
    let Some(path) = &asked.cwd else {
        return Ok(surroundings.cwd.clone().and_then(|cwd| AbsPath::new(bytes(cwd)).ok()));
    };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    AbsPath::new(bytes(absolute))
        .map(Some)
        .map_err(|source| Error::Cwd { path: path.clone(), source })
}

fn cannot_enter(outcome: &Outcome) -> bool {
    matches!(&outcome.end, End::Failed(Failure::Start(StartError::Cwd { .. })))
}

/// Starts a request and sees it to its end.
async fn start(
    gate: &Gate,
    request: Request,
    asked: &Asked,
    limit: shannot::policy::types::ByteSize,
    signals: &mut Signals,
) -> Result<Attended, Error> {
    let stdin = match asked.stdin {
        Stdin::Empty => Input::Empty,
        Stdin::Passed => Input::Fd(duplicate(rustix::stdio::stdin())?),
    };
    let (output, screens) = match asked.output {
        Wanted::Held => (Output::Events, Vec::new()),
        Wanted::Raw => {
            let stdout = duplicate(rustix::stdio::stdout())?;
            (Output::Fds { stdout, stderr: duplicate(rustix::stdio::stderr())? }, Vec::new())
        }
        Wanted::Harmless => {
            let (stdout, out) = Screen::before(duplicate(rustix::stdio::stdout())?)?;
            let (stderr, err) = Screen::before(duplicate(rustix::stdio::stderr())?)?;
            (Output::Fds { stdout, stderr }, out.into_iter().chain(err).collect())
        }
    };
    let run = gate.run(request, Io { stdin, output })?;
    Ok(attend(run, signals, screens, limit).await?)
}

/// A descriptor of our own for the same open file.
fn duplicate(fd: impl AsFd) -> Result<OwnedFd, Error> {
    fd.as_fd()
        .try_clone_to_owned()
        .map_err(|source| Error::internal("duplicate a descriptor", source))
}

/// 128 random bits.
fn run_id() -> Result<String, Error> {
    let mut bytes = [0u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|errno| Error::internal("get random bytes", errno))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
