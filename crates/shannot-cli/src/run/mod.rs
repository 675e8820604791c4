//! `shannot run`: one request, its output where the caller wants it, and its exit code.

use std::io::IsTerminal as _;
use std::sync::Arc;

use shannot::policy::types::{ByteSize, Timeout};
use shannot::policy::{Profile, Request};
use shannot::{Executor, Gate, Input, Io, Outcome, Output};

use crate::args::{Global, Run as Args};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::here;
use crate::profiles::Profiles;
use crate::render::human;
use crate::render::json::{self, About, Held, RunResult};
use crate::request::Asked;
use crate::run_id::run_id;
use crate::surroundings::Surroundings;
use crate::system::Signals;
use crate::targets::{Files, Target, Targets};
use attend::{Attended, attend};
use place::Place;
pub(crate) use place::asked_profile;

mod attend;
mod fleet;
mod place;

/// `signal(7)`: numbers of Linux, which is where the command is.
pub(crate) const SIGINT: i32 = 2;
pub(crate) const SIGTERM: i32 = 15;

/// Runs a command and answers as it did.
pub(crate) fn run(args: Args, global: &Global) -> ExitCode {
    let surroundings = Surroundings::read();
    let mut asked = Asked::new(args.command, args.pipe);
    (asked.cwd, asked.timeout) = (args.cwd, args.timeout);
    let wishes = Wishes {
        asked,
        stdin: if args.no_stdin { Stdin::Empty } else { Stdin::Passed },
        output: match (global.json, args.raw) {
            (true, _) => Wanted::Held,
            (false, true) => Wanted::Raw,
            (false, false) => Wanted::Harmless,
        },
    };
    let mut about = About {
        target: global.target.as_ref().map(ToString::to_string).unwrap_or_default(),
        profile: None,
        stages: wishes.asked.shown(),
        cwd: None,
        run_id: String::new(),
    };
    let files = Files::new(&surroundings, global.config.as_deref());
    let done = Targets::read(&files, &surroundings).and_then(|targets| {
        let default = || targets.default.value.clone();
        let selected = match &global.target {
            Some(selection) if selection.only().is_none() => {
                let targets = targets.select(selection)?;
                return fleet::run(&targets, &wishes, args.parallel, global, &surroundings)
                    .map(Answer::Told);
            }
            Some(selection) => selection.only().cloned().unwrap_or_else(default),
            None => default(),
        };
        let target = targets.targets.get(&selected);
        let target = target.ok_or_else(|| targets.no_target(&selected))?;
        let done = perform(target, &wishes, global, &surroundings, &mut about)?;
        Ok(Answer::Of(Box::new(done)))
    });
    match done {
        Ok(Answer::Told(code)) => code,
        Ok(Answer::Of(done)) => tell(*done, about, global),
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

/// What is to be answered.
enum Answer {
    /// That of one run, which is to be told.
    Of(Box<Done>),
    /// That of several, which is told already.
    Told(ExitCode),
}

/// Answers with a run that is over.
fn tell(done: Done, about: About, global: &Global) -> ExitCode {
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

/// What the caller wants.
struct Wishes {
    asked: Asked,
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
    target: &Target,
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
    about.target = target.name.value.to_string();
    let profiles = Profiles::new(surroundings);
    let place = Place::of(target)?;
    let asked = asked_profile(global, surroundings, target);
    let mut go = |profile: Arc<Profile>| {
        about.profile = Some(profile.name.to_string());
        let cwd = surroundings.cwd.as_deref().filter(|_| place.is_here());
        let request = wishes.asked.request(stages.clone(), &profile, cwd, &surroundings.locale)?;
        run_with(place.executor(), profile, request, wishes, about)
    };
    let Some(built_in) = profiles.built_in(asked) else {
        return go(profiles.select(asked)?.profile);
    };
    if let Place::Here(here) = &place
        && built_in.may_mean(&programs)
    {
        here.expect(built_in.view, built_in.prefer, built_in.root_reads);
    }
    match go(built_in.read_for(&programs)?) {
        // Only the whole profile can say what is allowed instead.
        Err(Error::Denied(_)) => go(profiles.select(asked)?.profile),
        done => done,
    }
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
    let done = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let gate = Gate::new([profile], executor);
        let attended = start(&gate, request, wishes, limits.output, &mut signals).await?;
        let Attended { outcome, held, passed_on } = attended;
        if let Some(cwd) = &outcome.cwd
            && *cwd != asked
        {
            about.cwd = Some(cwd.to_string());
            if wishes.output != Wanted::Held && std::io::stderr().is_terminal() {
                human::complain(&format!(
                    "started in `{cwd}`: the box cannot enter this directory"
                ));
            }
        }
        Ok(Done { outcome, held, passed_on, wall })
    });
    // A thread that still waits for input ends with this process.
    runtime.shutdown_background();
    done
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
        Stdin::Passed => here::stdin()?,
    };
    let (output, screens) = match wishes.output {
        Wanted::Held => (Output::Events, Vec::new()),
        Wanted::Raw => (here::through()?, Vec::new()),
        Wanted::Harmless => here::behind_screens()?,
    };
    let run = gate.run(request, Io { stdin, output })?;
    attend(run, signals, screens, limit).await
}
