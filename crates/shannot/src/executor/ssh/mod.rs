//! Runs requests on another host, behind SSH.

use std::collections::HashSet;
use std::sync::{Arc, Mutex as Lock, PoisonError, Weak};
use std::time::{Duration, Instant};

use shannot_policy::profile::Table;
use shannot_policy::{Grant, Profile};
use tokio::sync::{Mutex, mpsc};

use super::far::{self, Asked, tell_end};
use super::{Executor, Io};
use crate::event::{End, Failure, Outcome, Unreachable};
use crate::run::{Order, Run};
use crate::wire::{Greeting, ProfileChoice, ProfileKnown, ProfileText, RunRequest, profile_digest};
use connection::Connection;

mod command;
mod connection;
mod deploy;
mod diagnosis;
mod probe;

pub use command::{FarPath, Helper, Sha256Hex, SshTarget};
pub use deploy::{Deployed, deploy};
pub use probe::{Step, probe};

/// Events that wait for a caller.
const EVENTS: usize = 4;
/// Profiles that an agent is asked for by their digests: no more than it keeps.
const MOST_TAKEN: usize = 1000;
/// Profiles whose digests are kept.
const MOST_WRITTEN: usize = 16;
/// A connection that nobody uses for this long is closed.
const IDLE: Duration = Duration::from_secs(300);
/// How long a host is left alone after it could not be reached: the first time, and at the most.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LAST_BACKOFF: Duration = Duration::from_secs(30);

/// Runs requests on another host, over one `ssh` that all of them share. It is started by the first
/// request, again when it was lost, and ended when it is not used.
///
/// `ssh` is the system's, with its ssh_config(5), agents, jump hosts and known hosts; it asks nobody
/// anything. The agent there authorizes again, against the profile of the grant, which travels along,
/// or one of its own where it is pinned.
#[derive(Debug, Clone)]
pub struct SshExecutor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SshTarget,
    host: Arc<str>,
    /// Held while one caller connects: the others want the same connection.
    link: Mutex<Link>,
}

#[derive(Debug, Default)]
struct Link {
    open: Option<Arc<Session>>,
    failed: Option<Failed>,
}

/// An attempt that failed.
#[derive(Debug)]
struct Failed {
    why: Unreachable,
    until: Instant,
    backoff: Duration,
}

/// A connection, and what the agent at its other end knows.
#[derive(Debug)]
struct Session {
    connection: Connection,
    known: Lock<Known>,
    used: Lock<Instant>,
}

/// The profiles that an agent knows.
#[derive(Debug, Default)]
struct Known {
    /// Digests of those that it has taken.
    taken: HashSet<String>,
    /// Digests of those that were written lately, the last one last.
    written: Vec<(Arc<Profile>, String)>,
}

impl SshExecutor {
    /// An executor for a host. Nothing is started yet.
    pub fn new(target: SshTarget) -> Self {
        let host = target.name.as_str().into();
        Self { shared: Arc::new(Shared { target, host, link: Mutex::default() }) }
    }

    /// Connects, if it is not, and returns how the agent there has greeted.
    ///
    /// # Errors
    /// The host cannot be reached, or has no agent.
    pub async fn greeting(&self) -> Result<Greeting, Failure> {
        Ok(self.shared.session().await?.connection.greeting.clone())
    }
}

impl Executor for SshExecutor {
    fn start(&self, grant: Grant, io: Io) -> Run {
        let (events, receiver) = mpsc::channel(EVENTS);
        let (orders, mut ordered) = mpsc::unbounded_channel();
        let run = Run::new(receiver, orders, grant.profile().limits.output.0);
        let shared = Arc::clone(&self.shared);
        let since = Instant::now();
        tokio::spawn(async move {
            let done = tokio::select! {
                biased;
                done = shared.conduct(&grant, io, &events, &mut ordered) => done,
                () = events.closed() => return,
            };
            let outcome = done.unwrap_or_else(|failure| Outcome::never(End::Failed(failure)));
            tell_end(outcome, &events, since).await;
        });
        run
    }
}

impl Shared {
    async fn conduct(
        self: &Arc<Self>,
        grant: &Grant,
        io: Io,
        events: &mpsc::Sender<crate::Event>,
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> Result<Outcome, Failure> {
        let session = {
            let connect = self.session();
            tokio::pin!(connect);
            loop {
                tokio::select! {
                    biased;
                    session = &mut connect => break session?,
                    order = orders.recv() => match order {
                        // There is nobody yet for a signal to go to.
                        Some(Order::Signal(_)) => {}
                        Some(Order::Cancel) | None => return Ok(Outcome::never(End::Cancelled)),
                    }
                }
            }
        };
        let (profile, digest) = session.choice(grant);
        let mut request = RunRequest::new(grant.request(), profile);
        // Also to a host whose own profile would allow more.
        request.timeout = Some(grant.wall().to_string());
        let asked =
            Asked { host: Arc::clone(&self.host), request, wall: grant.wall().as_duration(), io };
        let send = session.connection.send.clone();
        let done = far::conduct(send, asked, events, orders).await;
        *session.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if let (Ok(_), Some(digest)) = (&done, digest) {
            let mut known = session.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.taken.len() < MOST_TAKEN {
                known.taken.insert(digest);
            }
        }
        done.map_err(|failure| match failure {
            // What ssh said of it tells more than that the stream ended.
            Failure::Unreachable(mut lost) => {
                let said = session.connection.said();
                if !said.is_empty() {
                    lost.what = format!("{}: {said}", lost.what);
                }
                Failure::Unreachable(lost)
            }
            other => other,
        })
    }

    /// The connection, opened where there is none.
    async fn session(self: &Arc<Self>) -> Result<Arc<Session>, Failure> {
        let mut link = self.link.lock().await;
        if let Some(session) = link.open.as_ref().filter(|open| !open.connection.is_closed()) {
            return Ok(Arc::clone(session));
        }
        link.open = None;
        if let Some(failed) = &link.failed
            && let Some(left) = failed.until.checked_duration_since(Instant::now())
        {
            let mut why = failed.why.clone();
            why.what = format!("{} (next try in {:.1} s)", why.what, left.as_secs_f32());
            return Err(Failure::Unreachable(Box::new(why)));
        }
        match self.open().await {
            Ok(connection) => {
                let session = Arc::new(Session {
                    connection,
                    known: Lock::default(),
                    used: Lock::new(Instant::now()),
                });
                *link = Link { open: Some(Arc::clone(&session)), failed: None };
                tokio::spawn(close_when_idle(Arc::downgrade(self), Arc::downgrade(&session)));
                Ok(session)
            }
            Err(why) => {
                let before = link.failed.as_ref().map(|failed| failed.backoff * 2);
                let backoff = before.unwrap_or(FIRST_BACKOFF).min(LAST_BACKOFF);
                let until = Instant::now() + backoff;
                link.failed = Some(Failed { why: why.clone(), until, backoff });
                Err(Failure::Unreachable(Box::new(why)))
            }
        }
    }
}

impl Shared {
    /// Opens a connection, and puts the helper there first where a call may do so.
    async fn open(&self) -> Result<Connection, Unreachable> {
        let target = &self.target;
        match (Connection::open(target).await, &target.helper, &target.deploy) {
            (Err(why), Helper::Deployed(sha256), Some(program)) if why.lacks_helper => {
                deploy(target, program.clone(), sha256).await?;
                Connection::open(target).await
            }
            (opened, ..) => opened,
        }
    }
}

/// Closes a connection that nobody has used for some time.
async fn close_when_idle(shared: Weak<Shared>, session: Weak<Session>) {
    loop {
        tokio::time::sleep(IDLE / 4).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut link = shared.link.lock().await;
        let own = |open: &&Arc<Session>| Weak::ptr_eq(&Arc::downgrade(open), &session);
        let Some(open) = link.open.as_ref().filter(own) else { return };
        let used = *open.used.lock().unwrap_or_else(PoisonError::into_inner);
        // One who runs something holds it.
        if open.connection.is_closed() || Arc::strong_count(open) == 1 && used.elapsed() > IDLE {
            link.open = None;
            return;
        }
    }
}

impl Session {
    /// How the grant's profile is named to this agent, and its digest where its text travels.
    fn choice(&self, grant: &Grant) -> (ProfileChoice, Option<String>) {
        if self.connection.greeting.pinned {
            return (ProfileChoice::Name(grant.profile().name.to_string()), None);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing a profile takes longer than a command.
        if let Some((_, sha256)) =
            known.written.iter().find(|(own, _)| Arc::ptr_eq(own, grant.profile()))
            && known.taken.contains(sha256)
        {
            return (ProfileChoice::Known(ProfileKnown { sha256: sha256.clone() }), None);
        }
        let toml = Table::without_examples(grant.profile()).to_toml();
        let sha256 = profile_digest(&toml);
        if known.written.len() == MOST_WRITTEN {
            known.written.remove(0);
        }
        known.written.push((Arc::clone(grant.profile()), sha256.clone()));
        match known.taken.contains(&sha256) {
            true => (ProfileChoice::Known(ProfileKnown { sha256 }), None),
            false => (ProfileChoice::Text(ProfileText { toml }), Some(sha256)),
        }
    }
}
