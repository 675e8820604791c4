//! The one place every request passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use shannot_policy::types::ProfileName;
use shannot_policy::{Denial, Profile, Request, authorize};

use crate::executor::{Executor, Io};
use crate::run::Run;

/// Profiles before an executor. Nothing runs but through [`Gate::run`].
#[derive(Debug)]
pub struct Gate {
    profiles: BTreeMap<ProfileName, Arc<Profile>>,
    executor: Arc<dyn Executor>,
}

/// Why a request was not run. Nothing has happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No profile of that name.
    #[error("there is no profile `{0}`")]
    UnknownProfile(ProfileName),
    /// The profile denies it.
    #[error(transparent)]
    Denied(#[from] Denial),
}

impl Gate {
    /// A gate with these profiles before this executor.
    pub fn new(
        profiles: impl IntoIterator<Item = Arc<Profile>>,
        executor: Arc<dyn Executor>,
    ) -> Self {
        let profiles = profiles.into_iter().map(|p| (p.name.clone(), p)).collect();
        Self { profiles, executor }
    }

    /// Holds a request against its profile and starts it. The order of these steps is the
    /// security property; see `ARCHITECTURE.md`.
    ///
    /// # Errors
    /// The request was refused. What goes wrong later is the run's last event.
    pub fn run(&self, request: Request, io: Io) -> Result<Run, Refusal> {
        // admit: the rate and concurrency of this caller, before anything costs us.

        // authorize
        let profile = self.profiles.get(&request.profile);
        let profile = profile.ok_or_else(|| Refusal::UnknownProfile(request.profile.clone()))?;
        let grant = authorize(profile, request)?;

        // record intent: the verdict, before anything runs.

        // start, stream
        let run = self.executor.start(grant, io);

        // record outcome: on the run's last event.
        Ok(run)
    }
}
