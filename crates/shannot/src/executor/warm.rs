//! The boxes that are kept warm for the profiles in use.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shannot_policy::Plan;
use shannot_sandbox::{Error, Host, Warm};

/// How many boxes are kept: those of the profiles used last.
const MOST: usize = 8;

/// How many runs of each find one that is ready.
const READY: usize = 2;

/// Boxes for runs to come. One that no longer shows the host as it is serves nobody and goes.
#[derive(Debug)]
pub(super) struct WarmBoxes {
    host: Arc<Host>,
    /// The one used last is last.
    kept: Mutex<Vec<Arc<Warm>>>,
}

impl WarmBoxes {
    pub(super) fn new(host: Arc<Host>) -> Self {
        Self { host, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Arc<Warm>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The box of this plan, if it is kept and the host is as it was.
    pub(super) fn find(&self, plan: &Plan) -> Option<Arc<Warm>> {
        let mut kept = self.kept();
        let at = kept.iter().position(|warm| warm.serves(plan))?;
        let warm = kept.remove(at);
        kept.push(Arc::clone(&warm));
        Some(warm)
    }

    /// Sees to it that the box of a plan is kept, and that runs to come find others ready in it.
    pub(super) fn warm(&self, plan: &Plan) -> Result<(), Error> {
        self.find_or_make(plan)?.refill(READY)
    }

    /// The same after a run; with others ready if there is the time.
    pub(super) fn replenish(&self, plan: &Plan, has_time: bool) {
        // A box that cannot be kept is made for each run, which tells what is wrong.
        if let Ok(warm) = self.find_or_make(plan)
            && has_time
        {
            // The same: without one that is ready, a run has one made.
            let _ = warm.refill(READY);
        }
    }

    fn find_or_make(&self, plan: &Plan) -> Result<Arc<Warm>, Error> {
        match self.find(plan) {
            Some(warm) => Ok(warm),
            None => Ok(self.keep(Arc::new(Warm::new(plan, &self.host)?))),
        }
    }

    fn keep(&self, warm: Arc<Warm>) -> Arc<Warm> {
        let gone: Vec<_> = {
            let mut kept = self.kept();
            kept.push(Arc::clone(&warm));
            let beyond = kept.len().saturating_sub(MOST);
            kept.drain(..beyond).collect()
        };
        // Not while others wait for the list: a box takes a moment to end.
        drop(gone);
        warm
    }

    /// Lets go of boxes that serve nobody any more; whether some are left.
    pub(super) fn retire(&self) -> bool {
        let (fresh, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *self.kept()).into_iter().partition(|warm| warm.is_fresh());
        let mut kept = self.kept();
        // Whatever was kept meanwhile was used last.
        kept.splice(..0, fresh);
        let some = !kept.is_empty();
        drop(kept);
        drop(gone);
        some
    }
}
