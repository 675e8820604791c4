//! Runs requests on another host, behind SSH.

use std::collections::HashSet;
use std::sync::{Arc, Mutex as Lock, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use shannot_policy::profile::Table;
use shannot_policy::{Grant, Profile};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::far::{self, Asked, tell_end};
use super::{Executor, Io, internal};
use crate::event::{End, Failure, Outcome, Unreachable};
use crate::run::{Caller, Order, Run};
use crate::wire::{
    DoctorRequest, GONE_AFTER, Greeting, ProfileChoice, ProfileKnown, ProfileText, RunRequest,
    profile_digest,
};
use connection::{Connection, Opened};
use master::Master;
use shell::Shell;

mod command;
mod connection;
mod deploy;
mod diagnosis;
mod heard;
mod master;
mod probe;
mod shell;

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
/// How long a host may take to make a box in every tier.
const DOCTOR_TIME: Duration = Duration::from_secs(60);
/// How many runs there may be at once where each needs an `ssh` of its own: below the ten that sshd lets
/// wait to be authenticated (`MaxStartups`), and the ten sessions of one connection (`MaxSessions`).
const MOST_SHELLS: usize = 8;

/// Runs requests on another host, over one `ssh` that all of them share. It is started by the first
/// request, again when it was lost, and ended when it is not used.
///
/// `ssh` is the system's, with its ssh_config(5), agents, jump hosts and known hosts; it asks nobody
/// anything. The agent there authorizes again, against the profile of the grant, which travels along,
/// or one of its own where it is pinned.
///
/// Where there is no agent, nothing is put there, and the host has a `bwrap`, each run has an `ssh` of its
/// own, in which the host's shell starts the plan as one bwrap command line.
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
    shells: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Link {
    open: Option<Arc<Session>>,
    /// Whether a shell answered the last time.
    has_no_agent: bool,
    /// What the sessions of such a host share.
    master: Option<Arc<Master>>,
    failed: Option<Failed>,
}

/// What a run goes over.
enum Way {
    Agent(Arc<Session>),
    Shell(Box<Shell>, OwnedSemaphorePermit),
}

/// What answers on a host.
#[derive(Debug)]
pub enum Answer {
    /// An agent, with this greeting.
    Agent(Greeting),
    /// Its shell: there is no helper. Commands are boxed by its bwrap, if it has one.
    Shell,
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
        let shells = Arc::new(Semaphore::new(MOST_SHELLS));
        Self { shared: Arc::new(Shared { target, host, link: Mutex::default(), shells }) }
    }

    /// Connects, if it is not, and returns what answers.
    ///
    /// # Errors
    /// The host cannot be reached.
    pub async fn answer(&self) -> Result<Answer, Failure> {
        Ok(match self.shared.way().await? {
            Way::Agent(session) => Answer::Agent(session.connection.greeting.clone()),
            Way::Shell(..) => Answer::Shell,
        })
    }
}

impl SshExecutor {
    /// Has the agent there make a profile's box in every tier. Returns its report, the JSON that
    /// `shannot doctor --json` prints.
    ///
    /// # Errors
    /// The host cannot be reached, has no helper, or refuses the profile.
    pub async fn doctor(&self, profile: &Arc<Profile>) -> Result<Bytes, Failure> {
        let session = match self.shared.way().await? {
            Way::Agent(session) => session,
            Way::Shell(..) => {
                let name = &self.shared.target.name;
                let hint = format!("`shannot remote deploy {name}` puts it there");
                let what = "only the helper can tell, and there is none on the host";
                return Err(Failure::Unreachable(Box::new(Unreachable {
                    lacks_helper: true,
                    ..Unreachable::new(name, what, Some(hint))
                })));
            }
        };
        let profile = match session.connection.greeting.pinned {
            true => ProfileChoice::Name(profile.name.to_string()),
            false => {
                let toml = Table::without_examples(profile).to_toml();
                ProfileChoice::Text(ProfileText { toml })
            }
        };
        let json = serde_json::to_vec(&DoctorRequest { profile })
            .map_err(|error| internal("write a request", std::io::Error::other(error)))?;
        let send = session.connection.send.clone();
        let host = &self.shared.host;
        let fetched = far::fetch(send, host, "http://agent/v1/doctor", json);
        tokio::time::timeout(DOCTOR_TIME, fetched).await.map_err(|_| {
            let what = format!("it did not answer within {DOCTOR_TIME:?}");
            Failure::Unreachable(Box::new(Unreachable::new(host, what, None)))
        })?
    }
}

impl Executor for SshExecutor {
    fn start(&self, grant: Grant, io: Io) -> Run {
        let (run, mut caller) = Run::new(EVENTS, grant.profile().limits.output.0);
        let events = caller.events.clone();
        let shared = Arc::clone(&self.shared);
        let since = Instant::now();
        tokio::spawn(async move {
            let done = tokio::select! {
                biased;
                done = shared.conduct(&grant, io, &mut caller) => done,
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
        caller: &mut Caller,
    ) -> Result<Outcome, Failure> {
        let way = {
            let connect = self.way();
            tokio::pin!(connect);
            loop {
                tokio::select! {
                    biased;
                    way = &mut connect => break way?,
                    order = caller.orders.recv() => match order {
                        // There is nobody yet for a signal to go to.
                        Some(Order::Signal(_)) => {}
                        Some(Order::Cancel) | None => return Ok(Outcome::never(End::Cancelled)),
                    }
                }
            }
        };
        let session = match way {
            Way::Agent(session) => session,
            Way::Shell(shell, permit) => {
                let done = shell::conduct(*shell, &self.target, grant, io, caller).await;
                drop(permit);
                return done;
            }
        };
        let (profile, digest) = session.choice(grant);
        let mut request = RunRequest::new(grant.request(), profile);
        // Also to a host whose own profile would allow more.
        request.timeout = Some(grant.wall().to_string());
        let asked =
            Asked { host: Arc::clone(&self.host), request, wall: grant.wall().as_duration(), io };
        let send = session.connection.send.clone();
        let done = far::conduct(send, asked, caller).await;
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
                if session.connection.is_silent() {
                    lost.what = format!("nothing has come from it for {GONE_AFTER:?}");
                    let test = format!("`shannot remote test {}`", self.host);
                    lost.hint = Some(format!("the link is dead, or the host stands still: {test}"));
                }
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
    async fn way(self: &Arc<Self>) -> Result<Way, Failure> {
        let mut link = self.link.lock().await;
        if let Some(session) = link.open.as_ref().filter(|open| !open.connection.is_closed()) {
            return Ok(Way::Agent(Arc::clone(session)));
        }
        link.open = None;
        if let Some(failed) = &link.failed
            && let Some(left) = failed.until.checked_duration_since(Instant::now())
        {
            let mut why = failed.why.clone();
            why.what = format!("{} (next try in {:.1} s)", why.what, left.as_secs_f32());
            return Err(Failure::Unreachable(Box::new(why)));
        }
        let opened = if link.has_no_agent {
            // Each needs one of its own.
            let master = self.master(&mut link).await;
            drop(link);
            let permit = self.permit().await?;
            let opened = self.open(master.as_deref()).await;
            link = self.link.lock().await;
            opened.map(|opened| (opened, permit))
        } else {
            let permit = self.permit().await?;
            self.open(None).await.map(|opened| (opened, permit))
        };
        match opened {
            Ok((Opened::Shell(shell), permit)) => {
                (link.has_no_agent, link.failed) = (true, None);
                Ok(Way::Shell(shell, permit))
            }
            Ok((Opened::Agent(connection), _)) => {
                let session = Arc::new(Session {
                    connection,
                    known: Lock::default(),
                    used: Lock::new(Instant::now()),
                });
                *link = Link { open: Some(Arc::clone(&session)), ..Link::default() };
                tokio::spawn(close_when_idle(Arc::downgrade(self), Arc::downgrade(&session)));
                Ok(Way::Agent(session))
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
    /// The connection that sessions share, made where there is none and one is wanted.
    async fn master(self: &Arc<Self>, link: &mut Link) -> Option<Arc<Master>> {
        if link.master.as_ref().is_none_or(|master| !master.is_there()) {
            let sockets = self.target.sockets.as_deref()?;
            // Without it, each connects by itself, and says what is wrong.
            let master = Arc::new(Master::start(&self.target, sockets).await.ok()?);
            tokio::spawn(end_when_idle(Arc::downgrade(self), Arc::downgrade(&master)));
            link.master = Some(master);
        }
        let master = link.master.clone()?;
        *master.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Some(master)
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let permit = Arc::clone(&self.shells).acquire_owned().await;
        permit.map_err(|closed| internal("wait for a place", std::io::Error::other(closed)))
    }

    /// Opens a connection, and puts the helper there first where a call may do so.
    async fn open(&self, master: Option<&Master>) -> Result<Opened, Unreachable> {
        let target = &self.target;
        match (Connection::open(target, master).await, &target.helper, &target.deploy) {
            (Ok(Opened::Shell(_)), Helper::Deployed(sha256), Some(program)) => {
                deploy(target, program.clone(), sha256).await?;
                Connection::open(target, None).await
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

/// Ends a shared connection that nobody has used for some time.
async fn end_when_idle(shared: Weak<Shared>, master: Weak<Master>) {
    loop {
        tokio::time::sleep(IDLE / 4).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut link = shared.link.lock().await;
        let own = |held: &&Arc<Master>| Weak::ptr_eq(&Arc::downgrade(held), &master);
        let Some(held) = link.master.as_ref().filter(own) else { return };
        let used = *held.used.lock().unwrap_or_else(PoisonError::into_inner);
        let is_used = shared.shells.available_permits() < MOST_SHELLS || used.elapsed() <= IDLE;
        if !held.is_there() || !is_used {
            link.master = None;
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
