//! The one place every request passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use shannot_policy::types::ProfileName;
use shannot_policy::{Denial, Grant, Profile, Request, authorize};

use crate::executor::{Executor, Io};
use crate::run::Run;

mod admission;
mod audit;
mod guard;

pub use admission::{Admission, Admitted, Allowance, Rates, TooMuch};
pub use audit::{Audit, AuditFile, Record, What};
pub use guard::Guard;
pub(crate) use guard::Passage;

/// Profiles before an executor. Nothing runs but through [`Gate::run`].
#[derive(Debug)]
pub struct Gate {
    profiles: BTreeMap<ProfileName, Arc<Profile>>,
    executor: Arc<dyn Executor>,
    guard: Option<Guard>,
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
    /// The caller asks for too much.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// It could not be recorded, and so it does not run.
    #[error("it could not be recorded, and what is not recorded does not run")]
    Audit(#[source] std::io::Error),
}

impl Gate {
    /// A gate with these profiles before this executor.
    pub fn new(
        profiles: impl IntoIterator<Item = Arc<Profile>>,
        executor: Arc<dyn Executor>,
    ) -> Self {
        let profiles = profiles.into_iter().map(|p| (p.name.clone(), p)).collect();
        Self { profiles, executor, guard: None }
    }

    /// The same gate with a guard: for callers that are not to be trusted.
    #[must_use]
    pub fn with_guard(self, guard: Guard) -> Self {
        Self { guard: Some(guard), ..self }
    }

    /// Holds a request against its profile and starts it; see [`Gate::run_by`].
    ///
    /// # Errors
    /// The request was refused. What goes wrong later is the run's last event.
    pub fn run(&self, request: Request, io: Io) -> Result<Run, Refusal> {
        self.run_by("run", request, io)
    }

    /// Holds a request against its profile and starts it, for a caller who asks by this tool: it
    /// has an account of its own, and is recorded. The order of these steps is the security
    /// property; see `ARCHITECTURE.md`.
    ///
    /// # Errors
    /// The request was refused. What goes wrong later is the run's last event.
    pub fn run_by(&self, tool: &str, request: Request, io: Io) -> Result<Run, Refusal> {
        // admit: the rate and concurrency of this caller, before anything costs us.
        let guarded = match &self.guard {
            None => None,
            Some(guard) => Some(guard.admit(tool, What::asked(&request))?),
        };

        // authorize
        let verdict = self.authorize(request);

        // record intent: the verdict, before anything runs.
        let passage = guarded.map(|asked| asked.decided(verdict.as_ref().err())).transpose()?;
        let grant = verdict?;

        // start, stream
        let run = self.executor.start(grant, io);

        // record outcome: on the run's last event.
        Ok(match passage {
            Some(passage) => run.through(passage),
            None => run,
        })
    }

    fn authorize(&self, request: Request) -> Result<Grant, Refusal> {
        let profile = self.profiles.get(&request.profile);
        let profile = profile.ok_or_else(|| Refusal::UnknownProfile(request.profile.clone()))?;
        Ok(authorize(profile, request)?)
    }
}
