//! Sees a run to its end: gathers what it tells, passes on the signals that this process gets.

use std::time::Duration;

use bytes::Bytes;
use shannot::policy::types::ByteSize;
use shannot::{End, Event, Failure, Limit, Outcome, Run};
use tokio::time::{Instant, sleep_until};

use super::{SIGINT, SIGTERM};
use crate::error::Error;
use crate::here::Screen;
use crate::render::json::Held;
use crate::system::Signals;

/// How long a command may take to end after a signal.
const GRACE: Duration = Duration::from_secs(2);

/// How long a run that was told to end may take to say that it has; a box here takes two seconds at
/// the most.
const GIVE_UP: Duration = Duration::from_secs(4);

/// A run that is over.
pub(super) struct Attended {
    pub(super) outcome: Outcome,
    pub(super) held: Held,
    /// The last signal that came.
    pub(super) passed_on: Option<i32>,
}

/// Sees a run to its end and its output to the screens. Output that comes as events is held up
/// to `limit`, where the run is ended.
pub(super) async fn attend(
    mut run: Run,
    signals: &mut Signals,
    screens: Vec<Screen>,
    limit: ByteSize,
) -> Result<Attended, Error> {
    let limit = usize::try_from(limit.0).unwrap_or(usize::MAX);
    let screens: Vec<_> = screens.into_iter().map(|s| tokio::spawn(s.show())).collect();
    let mut held = Held::default();
    let mut passed_on = None;
    let mut grace: Option<Instant> = None;
    let mut given_up: Option<Instant> = None;
    let mut outcome = loop {
        tokio::select! {
            event = run.next() => {
                let over = match event {
                    Some(Event::Stdout(bytes)) => keep(&mut held.stdout, &bytes, limit),
                    Some(Event::Stderr(bytes)) => keep(&mut held.stderr, &bytes, limit),
                    Some(Event::Ended(outcome)) => break *outcome,
                    None => return Err(stopped()),
                };
                if over && !held.truncated {
                    held.truncated = true;
                    run.cancel();
                }
            }
            signal = signals.next() => {
                if passed_on.is_some() && matches!(signal, SIGINT | SIGTERM) {
                    run.cancel();
                    given_up.get_or_insert_with(|| Instant::now() + GIVE_UP);
                } else {
                    run.signal(signal);
                    grace.get_or_insert_with(|| Instant::now() + GRACE);
                }
                passed_on = Some(signal);
            }
            () = until(grace) => {
                grace = None;
                run.cancel();
                given_up.get_or_insert_with(|| Instant::now() + GIVE_UP);
            }
            // A host that has gone does not say that it has ended the run.
            () = until(given_up) => break Outcome { lingering: true, ..Outcome::cancelled() },
        }
    };
    for screen in screens {
        tokio::select! {
            // One that has ended early had nobody to show to.
            _ = screen => {}
            // A terminal that is stopped must not hold us for ever.
            signal = signals.next() => passed_on = Some(signal),
        }
    }
    if held.truncated {
        outcome.end = End::LimitReached(Limit::Output);
        outcome.limits_hit.push(Limit::Output);
    }
    Ok(Attended { outcome, held, passed_on })
}

/// Keeps what there is room for; true when that is not all.
fn keep(held: &mut Vec<u8>, bytes: &Bytes, limit: usize) -> bool {
    let room = limit.saturating_sub(held.len());
    held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    room < bytes.len()
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

fn stopped() -> Error {
    let source = std::io::Error::other("it ended without an answer");
    Failure::Internal { what: "wait for the run", source }.into()
}
