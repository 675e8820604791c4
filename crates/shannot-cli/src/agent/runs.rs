//! The runs that go on, by their names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use shannot::Control;

use crate::error::Error;
use crate::run_id::run_id;

/// The runs that go on. A name is 128 random bits: nobody else can guess it.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs(Arc<Mutex<HashMap<String, Control>>>);

/// A run's name, as long as this is kept.
#[derive(Debug)]
pub(super) struct Named {
    runs: Runs,
    id: String,
}

impl Runs {
    pub(super) fn insert(&self, run: Control) -> Result<Named, Error> {
        let id = run_id()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), run);
        Ok(Named { runs: self.clone(), id })
    }

    pub(super) fn find(&self, id: &str) -> Option<Control> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

impl Named {
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.runs.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
