//! One command on several targets at once.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use shannot::policy::types::Timeout;
use shannot::policy::{Profile, Request};
use shannot::{Control, End, Event, Executor, Failure, Gate, Io, Limit, Outcome, Run};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::Wishes;
use super::place::{Place, asked_profile};
use super::signals::{SIGINT, SIGTERM, Signals};
use crate::args::Global;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::profiles::Profiles;
use crate::render::json::{self, About, Held, RunResult};
use crate::render::labelled::{Labelled, Stream, TICK};
use crate::run_id::run_id;
use crate::surroundings::Surroundings;
use crate::targets::Target;

/// How long a command may take to end after a signal.
const GRACE: Duration = Duration::from_secs(2);

/// What is to be run on one target.
struct One {
    name: String,
    place: Place,
    profile: Arc<Profile>,
    request: Request,
}

/// What came of one target.
struct Came {
    at: usize,
    outcome: Outcome,
    held: Held,
}

/// What a target tells while it runs.
enum Told {
    /// It has begun, and can be told to end.
    Begun(Control),
    Output(Stream, Bytes),
}

/// Runs on all of them, so many at once, and tells what comes as it comes.
///
/// # Errors
/// Something is wrong that is so for every target: the runtime, the output.
pub(super) fn run(
    targets: &[&Target],
    wishes: &Wishes,
    parallel: NonZeroUsize,
    global: &Global,
    surroundings: &Surroundings,
) -> Result<ExitCode, Error> {
    let prepared = targets.iter().map(|target| prepare(target, wishes, global, surroundings));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::internal("start the runtime", source))?;
    let names = targets.iter().map(|target| target.name.value.to_string()).collect();
    let mut fleet = Fleet {
        names,
        stages: wishes.asked.shown(),
        global,
        output: (!global.json).then(|| Labelled::new(targets)),
        codes: Vec::new(),
        controls: Vec::new(),
        signals: 0,
        last_signal: None,
    };
    let prepared = prepared.collect();
    runtime.block_on(fleet.run(prepared, parallel))?;
    Ok(ExitCode::greatest(fleet.codes))
}

fn prepare(
    target: &Target,
    wishes: &Wishes,
    global: &Global,
    surroundings: &Surroundings,
) -> Result<One, Error> {
    let asked = asked_profile(global, surroundings, target);
    let profile = Profiles::new(surroundings).select(asked)?.profile;
    let place = Place::of(target)?;
    let cwd = surroundings.cwd.as_deref().filter(|_| place.is_here());
    let stages = wishes.asked.stages()?;
    let request = wishes.asked.request(stages, &profile, cwd, &surroundings.locale)?;
    Ok(One { name: target.name.value.to_string(), place, profile, request })
}

/// Runs that go on, and what has come of the others.
struct Fleet<'g> {
    names: Vec<String>,
    stages: Vec<Vec<String>>,
    global: &'g Global,
    /// `None` where each answer is an object.
    output: Option<Labelled>,
    codes: Vec<ExitCode>,
    controls: Vec<Control>,
    signals: usize,
    last_signal: Option<i32>,
}

impl Fleet<'_> {
    async fn run(
        &mut self,
        prepared: Vec<Result<One, Error>>,
        parallel: NonZeroUsize,
    ) -> Result<(), Error> {
        let mut signals = Signals::listen()?;
        let room = Arc::new(Semaphore::new(parallel.get()));
        let (tell, mut told) = mpsc::channel(64);
        let mut running = JoinSet::new();
        let mut profiles = Vec::new();
        for (at, one) in prepared.into_iter().enumerate() {
            match one {
                Ok(one) => {
                    let wall = one.profile.limits.wall;
                    let wall = one.request.timeout.map_or(wall, |time| time.min(wall));
                    profiles.push(Some((one.profile.name.to_string(), wall)));
                    let hold = self.output.is_none();
                    running.spawn(conduct(at, one, hold, Arc::clone(&room), tell.clone()));
                }
                Err(error) => {
                    profiles.push(None);
                    self.refused(at, &error)?;
                }
            }
        }
        drop(tell);
        let mut grace: Option<tokio::time::Instant> = None;
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                biased;
                // What a target has told comes before its end.
                Some((at, told)) = told.recv() => self.told(at, told),
                ended = running.join_next() => match ended {
                    None => break,
                    Some(Ok(Ok(came))) => self.came(came, &profiles)?,
                    Some(Ok(Err((at, error)))) => self.refused(at, &error)?,
                    Some(Err(error)) => {
                        let source = std::io::Error::other(error);
                        return Err(Error::internal("wait for a target", source));
                    }
                },
                signal = signals.next() => {
                    self.signals += 1;
                    self.last_signal = Some(signal);
                    if self.signals > 1 && matches!(signal, SIGINT | SIGTERM) {
                        // Those that have not begun do not begin any more.
                        running.abort_all();
                        self.controls.iter().for_each(Control::cancel);
                        break;
                    }
                    self.controls.iter().for_each(|run| run.signal(signal));
                    room.close();
                    grace.get_or_insert_with(|| tokio::time::Instant::now() + GRACE);
                }
                () = until(grace) => {
                    grace = None;
                    self.controls.iter().for_each(Control::cancel);
                }
                _ = tick.tick() => self.tick(),
            }
        }
        while let Ok((at, told)) = told.try_recv() {
            self.told(at, told);
        }
        if self.codes.len() < self.names.len() {
            self.codes.push(ExitCode::of_signal(self.last_signal.unwrap_or(SIGINT)));
        }
        if let Some(output) = &mut self.output {
            output.finish();
        }
        Ok(())
    }

    fn tick(&mut self) {
        if let Some(output) = &mut self.output {
            output.tick();
        }
    }

    fn told(&mut self, at: usize, told: Told) {
        match (told, &mut self.output) {
            (Told::Begun(control), output) => {
                self.controls.push(control);
                if let Some(output) = output {
                    output.begun(at);
                }
            }
            (Told::Output(stream, bytes), Some(output)) => output.push(at, stream, &bytes),
            // Held where it is.
            (Told::Output(..), None) => {}
        }
    }

    fn about(&self, at: usize, profile: Option<String>) -> Result<About, Error> {
        Ok(About {
            target: self.names.get(at).cloned().unwrap_or_default(),
            profile,
            stages: self.stages.clone(),
            cwd: None,
            run_id: run_id()?,
        })
    }

    fn refused(&mut self, at: usize, error: &Error) -> Result<(), Error> {
        self.codes.push(ExitCode::of_error(error));
        match &mut self.output {
            Some(output) => output.failed(at, error),
            None => json::print(&RunResult::of_error(self.about(at, None)?, error)),
        }
        Ok(())
    }

    fn came(&mut self, came: Came, profiles: &[Option<(String, Timeout)>]) -> Result<(), Error> {
        let Came { at, outcome, held } = came;
        let code = ExitCode::of_outcome(&outcome, self.last_signal);
        self.codes.push(code);
        let known = profiles.get(at).cloned().flatten();
        match &mut self.output {
            Some(output) => {
                let wall = known.map(|(_, wall)| wall);
                output.ended(at, &outcome, code, wall, self.global.verbose);
            }
            None => {
                let mut about = self.about(at, known.map(|(profile, _)| profile))?;
                about.cwd = outcome.cwd.as_ref().map(ToString::to_string);
                json::print(&RunResult::of_outcome(about, &outcome, held, code));
            }
        }
        Ok(())
    }
}

async fn until(instant: Option<tokio::time::Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Sees one run to its end.
async fn conduct(
    at: usize,
    one: One,
    hold: bool,
    room: Arc<Semaphore>,
    tell: mpsc::Sender<(usize, Told)>,
) -> Result<Came, (usize, Error)> {
    let since = Instant::now();
    // Closed when the caller wants no more.
    let Ok(_place) = room.acquire_owned().await else {
        let outcome = never(since);
        return Ok(Came { at, outcome, held: Held::default() });
    };
    let limit = usize::try_from(one.profile.limits.output.0).unwrap_or(usize::MAX);
    let executor: Arc<dyn Executor> = one.place.executor();
    let gate = Gate::new([one.profile], executor);
    let run = gate.run(one.request, Io::default()).map_err(|refusal| (at, refusal.into()))?;
    let _ = tell.send((at, Told::Begun(run.control()))).await;
    let attended = attend(at, run, hold.then_some(limit), &tell).await;
    let (outcome, held) = attended.ok_or_else(|| {
        let source =
            std::io::Error::other(format!("the run on `{}` ended without an answer", one.name));
        (at, Failure::Internal { what: "wait for the run", source }.into())
    })?;
    Ok(Came { at, outcome, held })
}

fn never(since: Instant) -> Outcome {
    Outcome { duration: since.elapsed(), ..Outcome::cancelled() }
}

/// Passes on what a run tells, or holds it up to a limit.
async fn attend(
    at: usize,
    mut run: Run,
    hold: Option<usize>,
    tell: &mpsc::Sender<(usize, Told)>,
) -> Option<(Outcome, Held)> {
    let mut held = Held::default();
    loop {
        let (stream, bytes) = match run.next().await? {
            Event::Stdout(bytes) => (Stream::Stdout, bytes),
            Event::Stderr(bytes) => (Stream::Stderr, bytes),
            Event::Ended(outcome) => {
                let mut outcome = *outcome;
                if held.truncated {
                    outcome.end = End::LimitReached(Limit::Output);
                    outcome.limits_hit.push(Limit::Output);
                }
                return Some((outcome, held));
            }
        };
        match hold {
            None => {
                let _ = tell.send((at, Told::Output(stream, bytes))).await;
            }
            Some(limit) => {
                let to = match stream {
                    Stream::Stdout => &mut held.stdout,
                    Stream::Stderr => &mut held.stderr,
                };
                let left = limit.saturating_sub(to.len());
                to.extend_from_slice(bytes.get(..left).unwrap_or(&bytes));
                if left < bytes.len() && !held.truncated {
                    held.truncated = true;
                    run.cancel();
                }
            }
        }
    }
}
