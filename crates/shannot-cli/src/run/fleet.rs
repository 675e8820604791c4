//! One command on several targets at once.
//!
//! What comes is printed by a thread of its own: a terminal that is stopped, or a pipe that nobody reads,
//! holds up the runs' output, and neither their time nor the signals.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use shannot::policy::types::Timeout;
use shannot::policy::{Profile, Request};
use shannot::{Control, End, Event, Failure, Gate, Io, Limit, Outcome, Run};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::place::{Place, asked_profile};
use super::{SIGINT, SIGTERM, Wishes};
use crate::args::Global;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::profiles::Profiles;
use crate::render::json::{self, About, Held, RunResult};
use crate::render::labelled::{Labelled, Stream};
use crate::render::stdout;
use crate::run_id::run_id;
use crate::surroundings::Surroundings;
use crate::system::Signals;
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
    let prepared: Vec<_> =
        targets.iter().map(|target| prepare(target, wishes, global, surroundings)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::internal("start the runtime", source))?;
    let printer = Printer {
        names: targets.iter().map(|target| target.name.value.to_string()).collect(),
        stages: wishes.asked.shown(),
        output: (!global.json).then(|| Labelled::new(targets)),
        verbose: global.verbose,
    };
    let hold = global.json;
    let code = runtime.block_on(async {
        let (print, printing) = printer.start()?;
        let fleet = Fleet { print, hold, controls: Arc::default(), last_signal: Arc::default() };
        fleet.run(prepared, parallel, printing).await
    });
    // What does not end at once ends with this process.
    runtime.shutdown_background();
    code
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

/// Runs that go on.
struct Fleet {
    print: mpsc::Sender<Print>,
    /// Whether output is held for one object.
    hold: bool,
    controls: Arc<Mutex<Vec<Control>>>,
    last_signal: Arc<AtomicI32>,
}

impl Fleet {
    async fn run(
        self,
        prepared: Vec<Result<One, Error>>,
        parallel: NonZeroUsize,
        mut printing: Printing,
    ) -> Result<ExitCode, Error> {
        let mut signals = Signals::listen()?;
        let room = Arc::new(Semaphore::new(parallel.get()));
        let (controls, last_signal) = (Arc::clone(&self.controls), Arc::clone(&self.last_signal));
        let mut running = self.start(prepared, &room);
        let all = |act: &dyn Fn(&Control)| {
            controls.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(act);
        };
        let mut codes = Vec::new();
        let (mut grace, mut unread) = (None, false);
        loop {
            tokio::select! {
                biased;
                signal = signals.next() => {
                    let again = signal_of(&last_signal).is_some();
                    last_signal.store(signal, Ordering::Relaxed);
                    if again && matches!(signal, SIGINT | SIGTERM) {
                        // Dropped, each run ends; and nobody is waited for any more.
                        return Ok(ExitCode::of_signal(signal));
                    }
                    all(&|run| run.signal(signal));
                    room.close();
                    grace.get_or_insert_with(|| Instant::now() + GRACE);
                }
                // As the kernel tells a command that nobody reads any more.
                () = printing.closed(), if !unread => {
                    unread = true;
                    codes.push(ExitCode::of_signal(SIGPIPE));
                    all(&|run| run.signal(SIGPIPE));
                    room.close();
                    grace.get_or_insert_with(|| Instant::now() + GRACE);
                }
                () = until(grace) => {
                    grace = None;
                    all(&Control::cancel);
                }
                ended = running.join_next() => match ended {
                    None => break,
                    Some(Ok(code)) => codes.push(code),
                    Some(Err(error)) => {
                        let source = std::io::Error::other(error);
                        return Err(Error::internal("wait for a target", source));
                    }
                },
            }
        }
        tokio::select! {
            () = printing.done() => {}
            // A reader that stopped reading would hold its caller here.
            signal = signals.next() => codes.push(ExitCode::of_signal(signal)),
        }
        Ok(ExitCode::greatest(codes))
    }

    /// Starts all, and gives up the right to print.
    fn start(self, prepared: Vec<Result<One, Error>>, room: &Arc<Semaphore>) -> JoinSet<ExitCode> {
        let Self { print, hold, controls, last_signal } = self;
        let mut running = JoinSet::new();
        for (at, one) in prepared.into_iter().enumerate() {
            let (room, print) = (Arc::clone(room), print.clone());
            let (controls, last_signal) = (Arc::clone(&controls), Arc::clone(&last_signal));
            running.spawn(async move {
                let come = match one {
                    Ok(one) => conduct(at, one, hold, room, &controls, &print).await,
                    Err(error) => Err(error),
                };
                let code = match &come {
                    Ok(came) => ExitCode::of_outcome(&came.outcome, signal_of(&last_signal)),
                    Err(error) => ExitCode::of_error(error),
                };
                // With the printer gone nobody is left to tell.
                let _ = print.send(Print::Came { at, come: Box::new(come), code }).await;
                code
            });
        }
        running
    }
}

fn signal_of(last: &AtomicI32) -> Option<i32> {
    Some(last.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// What came of one target.
struct Came {
    outcome: Outcome,
    held: Held,
    profile: String,
    wall: Timeout,
}

/// Sees one run to its end.
async fn conduct(
    at: usize,
    one: One,
    hold: bool,
    room: Arc<Semaphore>,
    controls: &Mutex<Vec<Control>>,
    print: &mpsc::Sender<Print>,
) -> Result<Came, Error> {
    let One { name, place, profile, request } = one;
    let (limits, profile_name) = (profile.limits, profile.name.to_string());
    let wall = request.timeout.map_or(limits.wall, |time| time.min(limits.wall));
    let came = |outcome, held| Came { outcome, held, profile: profile_name, wall };
    // Closed when the caller wants no more.
    let Ok(_place) = room.acquire_owned().await else {
        return Ok(came(Outcome::cancelled(), Held::default()));
    };
    let run = Gate::new([profile], place.executor()).run(request, Io::default())?;
    controls.lock().unwrap_or_else(PoisonError::into_inner).push(run.control());
    // With the printer gone nobody is left to tell.
    let _ = print.send(Print::Begun(at)).await;
    let limit = usize::try_from(limits.output.0).unwrap_or(usize::MAX);
    let attended = attend(at, run, hold.then_some(limit), print).await;
    let (outcome, held) = attended.ok_or_else(|| {
        let source = std::io::Error::other(format!("the run on `{name}` ended without an answer"));
        Failure::Internal { what: "wait for the run", source }
    })?;
    Ok(came(outcome, held))
}

/// Passes on what a run tells, or holds it up to a limit.
async fn attend(
    at: usize,
    mut run: Run,
    hold: Option<usize>,
    print: &mpsc::Sender<Print>,
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
        let Some(limit) = hold else {
            // As above.
            let _ = print.send(Print::Output(at, stream, bytes)).await;
            continue;
        };
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

/// What is printed.
enum Print {
    Begun(usize),
    Output(usize, Stream, Bytes),
    Came { at: usize, come: Box<Result<Came, Error>>, code: ExitCode },
}

/// Prints what comes, on a thread of its own.
struct Printer {
    names: Vec<String>,
    stages: Vec<Vec<String>>,
    /// `None` where each answer is an object.
    output: Option<Labelled>,
    verbose: bool,
}

/// A printer at work.
struct Printing {
    closed: watch::Receiver<bool>,
    done: oneshot::Receiver<()>,
}

impl Printing {
    /// Waits until nobody reads standard output any more.
    async fn closed(&mut self) {
        if self.closed.wait_for(|closed| *closed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until all is printed.
    async fn done(self) {
        // It ends with its thread.
        let _ = self.done.await;
    }
}

impl Printer {
    fn start(mut self) -> Result<(mpsc::Sender<Print>, Printing), Error> {
        let (send, mut receive) = mpsc::channel(16);
        let (tell_closed, closed) = watch::channel(false);
        let (tell_done, done) = oneshot::channel();
        let work = move || {
            while let Some(print) = receive.blocking_recv() {
                self.print(print);
                if stdout::is_closed() {
                    tell_closed.send_replace(true);
                }
            }
            if let Some(output) = &mut self.output {
                output.finish();
            }
            // Nobody waits where the caller has given up.
            let _ = tell_done.send(());
        };
        let thread = std::thread::Builder::new().name("shannot-printer".to_owned()).spawn(work);
        thread.map_err(|source| Error::internal("start a thread", source))?;
        Ok((send, Printing { closed, done }))
    }

    fn print(&mut self, print: Print) {
        match (print, &mut self.output) {
            (Print::Begun(at), Some(output)) => output.begun(at),
            (Print::Output(at, stream, bytes), Some(output)) => output.push(at, stream, &bytes),
            // Held where it is.
            (Print::Begun(_) | Print::Output(..), None) => {}
            (Print::Came { at, come, code }, Some(output)) => match *come {
                Ok(came) => output.ended(at, &came.outcome, code, came.wall, self.verbose),
                Err(error) => output.failed(at, &error),
            },
            (Print::Came { at, come, code }, None) => self.object(at, *come, code),
        }
    }

    fn object(&self, at: usize, come: Result<Came, Error>, code: ExitCode) {
        let about = |profile, cwd| About {
            target: self.names.get(at).cloned().unwrap_or_default(),
            profile,
            stages: self.stages.clone(),
            cwd,
            // Without one the result has an empty name, and is told all the same.
            run_id: run_id().unwrap_or_default(),
        };
        match come {
            Ok(Came { outcome, held, profile, .. }) => {
                let cwd = outcome.cwd.as_ref().map(ToString::to_string);
                let about = about(Some(profile), cwd);
                json::print(&RunResult::of_outcome(about, &outcome, held, code));
            }
            Err(error) => json::print(&RunResult::of_error(about(None, None), &error)),
        }
    }
}

/// `signal(7)`.
const SIGPIPE: i32 = 13;
