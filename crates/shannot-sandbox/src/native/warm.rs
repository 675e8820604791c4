//! A box kept warm: what its runs have in common is made once, and they are started from it as long as
//! the host is as it was then.
//!
//! It is the same plan realised another way. A zygote makes the mounts and namespaces that all runs
//! share and none can change; each run is a copy of them with a pid namespace, a `/proc`, scratch and
//! a cgroup of its own, in which nothing has run before. Some are made ahead, to the point where all
//! that is missing is the command.
//!
//! Nothing here outlasts its use: zygotes and boxes that wait end by themselves when the host's mounts
//! change, when nobody has asked for half a minute, and when this process ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shannot_policy::Plan;
use shannot_policy::plan::seccomp::{Filter, Ticket};
use shannot_policy::profile::Tier;

use super::base::{self, Base, MadeBy};
use super::cgroup::Groups;
use super::changes::{Change, Changes};
use super::child::Child;
use super::error::Error;
use super::hides;
use super::hull::{Expected, Hull, HullError, Wait};
use super::place::Place;
use super::prepare::{self, Prepared};
use super::ready::Ready;
use super::run::{EnterError, Pipes, Stdio, hull_failed, scene_failed};
use super::spec::MountStep;
use super::sys::Errno;
use crate::enforcement::Enforcement;
use crate::host::{self, Host};

/// After this time all is looked up anew: there is more on the host than what tells of its changes,
/// such as this process's own limits and cgroup.
const LONGEST_USE: Duration = Duration::from_secs(60);

/// Why a warm box has not started a run.
#[derive(Debug)]
pub enum WarmError {
    /// What was kept has ended meanwhile: killed, or because the host's mounts have changed. Nothing has
    /// run; with what is given back it can be started otherwise.
    Gone(Stdio),
    /// It could not be started, and could not otherwise.
    Failed(Error),
}

impl From<Error> for WarmError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The box of one plan, for any number of runs. Dropped, it ends; runs that were started go on.
#[derive(Debug)]
pub struct Warm {
    plan: Plan,
    host: Arc<Host>,
    base: Arc<Base>,
    since: Instant,
    changes: Changes,
    /// Set for good when something was seen to have changed: an event is read once.
    stale: AtomicBool,
    stock: Mutex<Stock>,
}

/// What runs are started from.
#[derive(Debug)]
struct Stock {
    /// `None` in tiers without namespaces of this process's making.
    zygote: Option<Hull>,
    ready: Vec<Ready>,
    /// The filter, without its ticket, of the last command that could have been in a box that was
    /// ready: the next one is likely to have the same.
    wanted: Option<Filter>,
}

impl Stock {
    /// Takes the zygote's answer.
    fn bear(&mut self, expected: Expected) -> Result<Hull, HullError> {
        match &mut self.zygote {
            Some(zygote) => zygote.bear(expected),
            // Nothing takes it away while it is asked.
            None => Err(HullError::Clone(Errno(libc::ESRCH))),
        }
    }
}

impl Warm {
    /// Makes what the runs of this plan's box have in common.
    ///
    /// # Errors
    /// As [`prepare()`](super::prepare()), but for what only the commands need; a limit of watches
    /// or of descriptors was reached.
    pub fn new(plan: &Plan, host: &Arc<Host>) -> Result<Self, Error> {
        prepare::check_tier(plan.outline.tier, host)?;
        let watch_failed = |e| Error::host("watch the host for changes (inotify)", e);
        // First, so that whatever happens while all is looked up is noticed.
        let mut changes = Changes::new().map_err(watch_failed)?;
        let scene = prepare::scene_of_host()?;
        let (_, looked) = hides::find_and_tell(&plan.hide, host.uid, &scene)?;
        changes.watch(&looked, &scene).map_err(watch_failed)?;
        let since = Instant::now();
        let (base, zygote) = match plan.outline.tier {
            Tier::T1 | Tier::T2 => with_zygote(plan, host)?,
            Tier::T3 | Tier::L => {
                let hull = Arc::new(base::hull(&plan.outline, host));
                (Base::find(plan, host, (MadeBy::Run, hull), scene, |_| {})?, None)
            }
        };
        let stock = Mutex::new(Stock { zygote, ready: Vec::new(), wanted: kind(plan) });
        Ok(Self {
            plan: plan.clone(),
            host: Arc::clone(host),
            base: Arc::new(base),
            since,
            changes,
            stale: AtomicBool::new(false),
            stock,
        })
    }

    /// Whether runs of this plan can be started from it: it has the same box, and that is still how
    /// the host is.
    pub fn serves(&self, plan: &Plan) -> bool {
        self.plan.has_the_box_of(plan) && self.is_fresh()
    }

    /// Whether the host is as it was, so that it is worth keeping.
    pub fn is_fresh(&self) -> bool {
        // Held until the answer is known, for another thread would not see the event that is read.
        let mut stock = self.stock();
        let fresh = !self.stale.load(Ordering::Acquire)
            && self.since.elapsed() < LONGEST_USE
            && match self.changes.take() {
                Change::None => true,
                Change::Mounts => false,
                Change::Entries => self.hides_the_same(),
            }
            && stock.zygote.as_mut().is_none_or(Hull::answers);
        self.stale.fetch_or(!fresh, Ordering::AcqRel);
        fresh
    }

    /// Whether the same is hidden as when the box was made. In tier L what shows depends on more.
    fn hides_the_same(&self) -> bool {
        let find = || hides::find(&self.plan.hide, self.host.uid, &prepare::scene_of_host()?);
        self.plan.outline.tier != Tier::L && find().is_ok_and(|hidden| hidden == self.base.hidden)
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts one run, in a box that is ready or in a new one of the zygote. Call it from a thread
    /// that outlives the run, as [`Prepared::start`], right after [`Warm::serves`].
    ///
    /// # Errors
    /// As [`Prepared::start`], or what was kept has ended meanwhile.
    pub fn start(&self, plan: &Plan, stdio: Stdio) -> Result<(Child, Enforcement), WarmError> {
        let prepared = |in_force: Option<&Filter>| {
            Prepared::new(plan, &self.host, Arc::clone(&self.base), in_force)
        };
        let pipes = Pipes::new(stdio, plan.stages.len())?;
        while let Some(ready) = self.take_ready(plan) {
            let prepared = prepared(ready.filter.as_ref())?;
            // One that has ended meanwhile takes nothing.
            if let Some(child) = prepared.start_ready(ready, &pipes)? {
                return Ok((child, prepared.enforcement));
            }
        }
        let mut stock = self.stock();
        let Some(zygote) = &mut stock.zygote else {
            drop(stock);
            let prepared = prepared(None)?;
            return Ok((prepared.start_with(None, &pipes)?, prepared.enforcement));
        };
        let Ok(expected) = zygote.ask(&self.base.spec.hull, Wait::Short) else {
            return Err(WarmError::Gone(pipes.into_stdio()));
        };
        // Held until the answer is there, and no longer.
        let born = move |expected| {
            let mut stock = stock;
            stock.bear(expected)
        };
        // Meanwhile.
        let made = prepared(None).and_then(|prepared| Ok((prepared, Place::new(&self.base)?)));
        let started = match made {
            Ok((prepared, place)) => prepared
                .start_expected(expected, born, place, &pipes)
                .map(|child| (child, prepared.enforcement)),
            Err(error) => {
                // Nobody may be left who waits to be told.
                drop(born(expected));
                Err(EnterError::Failed(error))
            }
        };
        started.map_err(|e| match e {
            EnterError::NotTaken(_) => WarmError::Gone(pipes.into_stdio()),
            EnterError::Failed(error) => error.into(),
        })
    }

    /// A box whose first command's process is as far as that of this plan can be.
    fn take_ready(&self, plan: &Plan) -> Option<Ready> {
        let mut stock = self.stock();
        let wanted = kind(plan)?;
        stock.wanted = Some(wanted);
        let ready = &mut stock.ready;
        let at = ready
            .iter()
            .position(|ready| ready.filter.map(Filter::without_ticket) == Some(wanted))?;
        Some(ready.swap_remove(at))
    }

    /// Makes boxes ready for runs to come until there are so many. Does nothing in tiers that have
    /// none. Takes about as long as a run.
    ///
    /// # Errors
    /// None could be made; a run may still be started.
    pub fn refill(&self, most: usize) -> Result<(), Error> {
        self.base.groups.iter().for_each(Groups::make_ahead);
        loop {
            let wanted = {
                let mut stock = self.stock();
                let Stock { zygote, ready, wanted } = &mut *stock;
                let Some(wanted) = wanted.filter(|_| zygote.is_some()) else { return Ok(()) };
                // Others wait for what has not been asked for since.
                ready.retain(|ready| ready.filter.map(Filter::without_ticket) == Some(wanted));
                if ready.len() >= most {
                    return Ok(());
                }
                wanted
            };
            let filter = wanted.with_ticket(random_ticket()?);
            let tier = self.plan.outline.tier;
            let hull = {
                let mut stock = self.stock();
                let Some(zygote) = &mut stock.zygote else { return Ok(()) };
                let expected = zygote.ask(&self.base.spec.hull, Wait::Long);
                let born = expected.and_then(|expected| zygote.bear(expected));
                born.map_err(|e| hull_failed(tier, e))?
            };
            let ready = Ready::new(tier, &self.base, hull, filter)?;
            self.stock().ready.push(ready);
        }
    }

    /// Boxes that are ready.
    pub fn ready(&self) -> usize {
        self.stock().ready.len()
    }
}

/// The filter of a plan's first command without its ticket, if one can be in force before the command
/// is known.
fn kind(plan: &Plan) -> Option<Filter> {
    plan.stages.first().and_then(|stage| stage.filter.with_ticket(Ticket(0)))
}

fn random_ticket() -> Result<Ticket, Error> {
    host::ticket().map_err(|e| Error::host("get random bytes", e))
}

/// A zygote and what it was found to need, in the tree that it shows.
fn with_zygote(plan: &Plan, host: &Host) -> Result<(Base, Option<Hull>), Error> {
    let tier = plan.outline.tier;
    let (zygote, run) = base::hulls(&plan.outline, host);
    let mut zygote = Hull::begin_zygote(&Arc::new(zygote)).map_err(|e| hull_failed(tier, e))?;
    let scene = zygote.scene().map_err(|e| scene_failed(tier, e))?;
    let tell = |mounts: &Arc<[MountStep]>| zygote.tell_mounts(mounts);
    let base = Base::find(plan, host, (MadeBy::Zygote, Arc::new(run)), scene, tell)?;
    zygote.await_ready().map_err(|e| hull_failed(tier, e))?;
    Ok((base, Some(zygote)))
}
