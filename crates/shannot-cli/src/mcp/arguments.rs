//! What a model sends with a call, read strictly: a key or type that is not meant is told, not guessed.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use shannot::policy::types::Timeout;

/// Why a call is not understood, for the model.
#[derive(Debug)]
pub(super) struct Wrong(pub(super) String);

/// Reads the arguments of a tool.
pub(super) fn read<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, Wrong> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| Wrong(error.to_string()))
}

/// A whole or broken number of seconds.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Seconds(f64);

impl Seconds {
    /// # Errors
    /// It is no time that a run may take.
    pub(super) fn timeout(self) -> Result<Timeout, Wrong> {
        let milliseconds = format!("{:.0}ms", (self.0 * 1000.0).ceil());
        let wrong = |_| Wrong(format!("{} is no number of seconds, up to a day", self.0));
        milliseconds.parse().map_err(wrong)
    }
}
