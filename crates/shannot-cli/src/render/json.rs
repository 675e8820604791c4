//! Results as JSON, which scripts rely on: a name here is never given another meaning.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use shannot::sandbox::StageStatus;
use shannot::{End, Failure, Limit, Outcome};

use super::encode::{harmless, text_or_base64};
use super::stdout;
use crate::error::{Error, chain, hint_of_failure};
use crate::exit_code::ExitCode;

/// Prints one object and a line end on stdout. It may be a terminal, so what one obeys is escaped
/// like the controls that JSON itself escapes: a reader gets the same text.
pub(crate) fn print(value: &impl Serialize) {
    let json = serde_json::to_string(value).unwrap_or_default();
    let mut text = harmless(&json);
    text.push('\n');
    stdout::write(text.as_bytes());
}

/// The result of `run --json`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RunResult {
    target: String,
    profile: Option<String>,
    /// The words of the only stage; `null` where there are more, see `stages`.
    argv: Option<Vec<String>>,
    cwd: Option<String>,
    outcome: &'static str,
    exit_code: u8,
    signal: Option<i32>,
    #[serde(flatten)]
    stdout: Stdout,
    #[serde(flatten)]
    stderr: Stderr,
    stdout_bytes: u64,
    stderr_bytes: u64,
    truncated: bool,
    redactions: u64,
    duration_ms: u64,
    limits_hit: Vec<&'static str>,
    stages: Vec<Stage>,
    enforcement: Option<Enforcement>,
    run_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    denial: Option<Denial>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Stdout {
    stdout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Stderr {
    stderr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Stage {
    argv: Vec<String>,
    exit_code: Option<i32>,
    signal: Option<i32>,
}

/// What was in force.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Enforcement {
    engine: Cow<'static, str>,
    tier: Cow<'static, str>,
    /// Who held the request against a profile last: `host`, or `client` where the host has nothing of ours.
    decided_by: Cow<'static, str>,
    pub(crate) layers: Vec<Layer>,
    /// Better tiers that were tried in vain.
    passed_over: Vec<PassedOver>,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PassedOver {
    tier: Cow<'static, str>,
    why: String,
}

/// One layer.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) status: Cow<'static, str>,
    pub(crate) detail: String,
}

/// A denial.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Denial {
    stage: usize,
    rule: String,
    why: String,
    word: Option<String>,
    hint: Option<String>,
}

/// Output held to be printed.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) truncated: bool,
}

/// What a run is known by, whatever becomes of it.
#[derive(Debug)]
pub(crate) struct About {
    /// Where it runs.
    pub(crate) target: String,
    pub(crate) profile: Option<String>,
    pub(crate) stages: Vec<Vec<String>>,
    pub(crate) cwd: Option<String>,
    pub(crate) run_id: String,
}

impl RunResult {
    /// Of what never came to an executor.
    pub(crate) fn of_error(about: About, error: &Error) -> Self {
        let mut result = Self::new(about, ExitCode::of_error(error));
        match error {
            Error::Denied(denial) => {
                result.outcome = "denied";
                result.denial = Some(denial.into());
            }
            _ => result.outcome = "failed",
        }
        result.error = Some(error.chain());
        result.hint = error.hint();
        result
    }

    /// Of what an executor was given.
    pub(crate) fn of_outcome(about: About, outcome: &Outcome, held: Held, code: ExitCode) -> Self {
        let mut result = Self::new(about, code);
        result.outcome = outcome_name(outcome);
        result.signal = match outcome.end {
            End::Signaled(signal) => Some(signal),
            _ => None,
        };
        if let End::Failed(failure) = &outcome.end {
            result.error = Some(chain(failure));
            result.hint = hint_of_failure(failure);
            if let Failure::Denied { denial, .. } = failure {
                result.denial = Some((&**denial).into());
            }
        }
        let (stdout, stdout_base64) = text_or_base64(held.stdout, held.truncated);
        let (stderr, stderr_base64) = text_or_base64(held.stderr, held.truncated);
        result.stdout = Stdout { stdout, stdout_base64 };
        result.stderr = Stderr { stderr, stderr_base64 };
        result.stdout_bytes = outcome.stdout_bytes;
        result.stderr_bytes = outcome.stderr_bytes;
        result.truncated = held.truncated;
        result.duration_ms = u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX);
        result.limits_hit = outcome.limits_hit.iter().copied().map(Limit::as_str).collect();
        for (stage, status) in result.stages.iter_mut().zip(&outcome.stages) {
            match status {
                Some(StageStatus::Exited(code)) => stage.exit_code = Some(*code),
                Some(StageStatus::Signaled(signal)) => stage.signal = Some(*signal),
                None => {}
            }
        }
        result.enforcement = outcome.enforcement.as_ref().map(Into::into);
        result
    }

    fn new(about: About, code: ExitCode) -> Self {
        let About { target, profile, stages, cwd, run_id } = about;
        let argv = match stages.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        };
        let stage = |argv| Stage { argv, exit_code: None, signal: None };
        Self {
            target,
            profile,
            argv,
            cwd,
            outcome: "failed",
            exit_code: code.as_u8(),
            signal: None,
            stdout: Stdout::default(),
            stderr: Stderr::default(),
            stdout_bytes: 0,
            stderr_bytes: 0,
            truncated: false,
            redactions: 0,
            duration_ms: 0,
            limits_hit: Vec::new(),
            stages: stages.into_iter().map(stage).collect(),
            enforcement: None,
            run_id,
            denial: None,
            error: None,
            hint: None,
        }
    }
}

pub(crate) fn outcome_name(outcome: &Outcome) -> &'static str {
    match &outcome.end {
        End::TimedOut => "timed_out",
        End::LimitReached(_) => "limit",
        End::Cancelled => "cancelled",
        End::Failed(Failure::Denied { .. }) => "denied",
        End::Failed(_) => "failed",
        End::Exited(_) | End::Signaled(_) if !outcome.limits_hit.is_empty() => "limit",
        End::Exited(_) => "exited",
        End::Signaled(_) => "signaled",
    }
}

impl From<&shannot::sandbox::Enforcement> for Enforcement {
    fn from(enforcement: &shannot::sandbox::Enforcement) -> Self {
        let layer = |layer: &shannot::sandbox::Layer| Layer {
            name: layer.name.to_string(),
            status: layer.status.as_str().into(),
            detail: layer.detail.clone(),
        };
        Self {
            engine: enforcement.engine.as_str().into(),
            tier: enforcement.tier.as_str().into(),
            decided_by: enforcement.decided_by.as_str().into(),
            layers: enforcement.layers.iter().map(layer).collect(),
            passed_over: enforcement
                .passed_over
                .iter()
                .map(|passed| PassedOver {
                    tier: passed.tier.as_str().into(),
                    why: passed.why.clone(),
                })
                .collect(),
        }
    }
}

impl From<&shannot::policy::Denial> for Denial {
    fn from(denial: &shannot::policy::Denial) -> Self {
        Self {
            stage: denial.stage,
            rule: denial.rule.to_string(),
            why: denial.why.to_string(),
            word: denial.word.as_deref().map(str::to_owned),
            hint: denial.hint.as_deref().map(str::to_owned),
        }
    }
}
