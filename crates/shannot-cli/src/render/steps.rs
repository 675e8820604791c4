//! What works and what does not, step by step, and how long each took.

use std::time::Duration;

use serde::Serialize;

use super::{human, json};
use crate::error::Error;

/// One step, as it is told.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    step: String,
    works: bool,
    took_ms: f64,
    /// What was found, or what is wrong.
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Step {
    /// A step, and what it found.
    pub(crate) fn new(
        step: impl Into<String>,
        took: Duration,
        found: Result<String, &Error>,
    ) -> Self {
        let step = step.into();
        let took_ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
        match found {
            Ok(found) => Self { step, works: true, took_ms, found, hint: None },
            Err(error) => {
                Self { step, works: false, took_ms, found: error.chain(), hint: error.hint() }
            }
        }
    }
}

/// To whom the steps are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// A person who asked for them.
    Person,
    /// A program, when all are taken.
    Program,
    /// A person who asked for something else.
    Bystander,
}

/// Tells the steps as they are taken.
pub(crate) struct Told {
    pub(crate) listener: Listener,
    steps: Vec<Step>,
}

impl Told {
    /// To this listener.
    pub(crate) const fn new(listener: Listener) -> Self {
        Self { listener, steps: Vec::new() }
    }

    /// The end: what a program waits for.
    pub(crate) fn finish(self) {
        if self.listener == Listener::Program {
            json::print(&self.steps);
        }
    }

    /// Tells one; false if it does not work.
    pub(crate) fn tell(&mut self, step: Step) -> bool {
        let works = step.works;
        let tell: Option<fn(&str)> = match self.listener {
            Listener::Person => Some(human::print),
            Listener::Program => None,
            Listener::Bystander => Some(human::complain),
        };
        if let Some(tell) = tell {
            let Step { step, took_ms, found, hint, .. } = &step;
            let mark = if works { "ok" } else { "FAILED" };
            tell(&format!("{step:<15} {mark:<6} {took_ms:>8.1} ms  {found}"));
            if let Some(hint) = hint {
                tell(&format!("{:<15} hint: {hint}", ""));
            }
        }
        self.steps.push(step);
        works
    }
}
