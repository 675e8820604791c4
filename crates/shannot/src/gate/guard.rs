//! What stands before and after every run of a gate that has a guard.

use std::sync::Arc;
use std::time::Instant;

use super::Refusal;
use super::admission::{Admission, Admitted, Place};
use super::audit::{Audit, Record, What};
use crate::event::{End, Failure, Outcome};

/// Who asks, how much that one may ask, and where that is recorded.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Who asks.
    pub caller: String,
    /// Where it runs.
    pub target: String,
    /// The accounts of callers.
    pub admission: Arc<Admission>,
    /// Where records go.
    pub audit: Arc<dyn Audit>,
}

/// A request that was admitted, and is not decided yet.
#[derive(Debug)]
pub(super) struct Asked {
    guard: Guard,
    tool: String,
    what: What,
    admitted: Admitted,
}

/// A request that may run. What comes of it is recorded when it ends, or when it is dropped.
#[derive(Debug)]
pub(crate) struct Passage {
    guard: Guard,
    tool: String,
    id: String,
    is_over: bool,
    _admitted: Admitted,
}

impl Guard {
    /// Admits a request, or records that it does not.
    pub(super) fn admit(&self, tool: &str, what: What) -> Result<Asked, Refusal> {
        let place = Place { caller: &self.caller, target: &self.target };
        match self.admission.admit(place, tool, Instant::now()) {
            Ok(admitted) => {
                Ok(Asked { guard: self.clone(), tool: tool.to_owned(), what, admitted })
            }
            Err(much) => {
                let refusal = Refusal::from(much);
                self.record(&new_id()?, tool, &what.refused(&refusal))?;
                Err(refusal)
            }
        }
    }

    fn record(&self, id: &str, tool: &str, what: &What) -> Result<(), Refusal> {
        let record = Record::now([id, &self.caller, tool, &self.target], what);
        self.audit.record(&record).map_err(Refusal::Audit)
    }
}

fn new_id() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Refusal::Audit(std::io::Error::other(error)))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Asked {
    /// Records the verdict, before anything runs.
    pub(super) fn decided(self, refusal: Option<&Refusal>) -> Result<Passage, Refusal> {
        let Self { guard, tool, what, admitted } = self;
        let id = new_id()?;
        let what = match refusal {
            Some(refusal) => what.refused(refusal),
            None => what,
        };
        guard.record(&id, &tool, &what)?;
        // Nothing more comes of one that is refused.
        Ok(Passage { guard, tool, id, is_over: refusal.is_some(), _admitted: admitted })
    }
}

impl Passage {
    /// Records how it ended. What cannot be recorded has failed.
    pub(crate) fn ended(mut self, outcome: &mut Outcome) {
        self.is_over = true;
        let what = What::outcome(outcome);
        if let Err(Refusal::Audit(source)) = self.guard.record(&self.id, &self.tool, &what) {
            let failure = Failure::Internal { what: "record the outcome", source };
            outcome.end = End::Failed(failure);
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if !self.is_over {
            // There is nobody left to be told that it failed.
            let _ = self.guard.record(&self.id, &self.tool, &What::Dropped);
        }
    }
}
