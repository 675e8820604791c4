//! What a call is answered with: a text for the model, and the same as data.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use shannot::policy::types::ProfileName;
use shannot::{Collected, End, Limit, Refusal};

use super::excerpt::{self, MOST, MOST_OF_ERROR};
use crate::error::{chain, hint_of_failure};
use crate::render::json;
use crate::targets::TargetName;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    text: String,
    data: Data,
    is_error: bool,
}

/// What a command said, as data.
#[derive(Debug, Default, Serialize)]
struct Data {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    stdout: String,
    stderr: String,
    truncated: bool,
    /// Secrets that were taken out.
    redactions: u64,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Answer {
    /// To what is not understood.
    pub(super) fn refused(why: &str) -> Self {
        let (error, redactions) = excerpt::of(why.as_bytes(), MOST_OF_ERROR);
        let data =
            Data { outcome: "failed", error: Some(error.clone()), redactions, ..Data::default() };
        Self { text: error, data, is_error: true }
    }

    /// To what the profile does not allow.
    pub(super) fn of_refusal(
        target: &TargetName,
        profile: &ProfileName,
        refusal: &Refusal,
    ) -> Self {
        let mut answer = match refusal {
            Refusal::Denied(denial) => {
                let hint = denial.hint.as_deref().map(|hint| format!("\nhint: {hint}"));
                let mut answer = Self::refused(&format!("{denial}{}", hint.unwrap_or_default()));
                answer.data.outcome = "denied";
                answer
            }
            other => Self::refused(&chain(other)),
        };
        answer.data.target = Some(target.to_string());
        answer.data.profile = Some(profile.to_string());
        answer
    }

    /// To what has run, or should have.
    pub(super) fn of_run(target: &TargetName, profile: &ProfileName, run: Collected) -> Self {
        let Collected { stdout, stderr, truncated, outcome } = run;
        let is_error = !matches!(outcome.end, End::Exited(0));
        // What a client shows of an error is shorter.
        let most = if is_error { MOST_OF_ERROR } else { MOST };
        let (stdout, in_stdout) = excerpt::of(&stdout, most);
        let left = most.saturating_sub(stdout.chars().count()).max(most / 5);
        let (stderr, in_stderr) = excerpt::of(&stderr, left);
        let end = match &outcome.end {
            End::Exited(0) if truncated => {
                "the output was longer than the profile lets it be".into()
            }
            End::Exited(0) => String::new(),
            End::Exited(code) => format!("exit code {code}"),
            End::Signaled(signal) => format!("ended by signal {signal}"),
            End::TimedOut => "ended by its time limit".to_owned(),
            End::LimitReached(limit) => format!("ended by the limit `{}`", Limit::as_str(*limit)),
            End::Cancelled => "cancelled".to_owned(),
            End::Failed(failure) => chain(failure),
        };
        let hint = match &outcome.end {
            End::Failed(failure) => hint_of_failure(failure),
            _ => None,
        };
        let mut text = stdout.clone();
        let mut part = |name: &str, part: &str| {
            if !part.is_empty() {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
                text.push_str(&format!("[{name}] {part}"));
            }
        };
        part("stderr", &stderr);
        part("end", &end);
        part("hint", hint.as_deref().unwrap_or_default());
        let data = Data {
            outcome: json::outcome_name(&outcome),
            target: Some(target.to_string()),
            profile: Some(profile.to_string()),
            exit_code: if let End::Exited(code) = outcome.end { Some(code) } else { None },
            signal: if let End::Signaled(signal) = outcome.end { Some(signal) } else { None },
            stdout,
            stderr,
            truncated,
            redactions: in_stdout + in_stderr,
            duration_ms: u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX),
            error: matches!(outcome.end, End::Failed(_)).then_some(end),
        };
        Self { text, data, is_error }
    }

    /// In the form of the protocol.
    pub(super) fn into_result(self) -> CallToolResult {
        let content = vec![ContentBlock::text(self.text)];
        let mut result = match self.is_error {
            true => CallToolResult::error(content),
            false => CallToolResult::success(content),
        };
        result.structured_content = serde_json::to_value(&self.data).ok();
        result
    }
}

/// The form of [`Data`], which every tool that runs a command states.
pub(super) fn schema() -> serde_json::Value {
    let text = serde_json::json!({"type": "string"});
    let number = serde_json::json!({"type": "integer"});
    serde_json::json!({
        "type": "object",
        "properties": {
            "outcome": text, "target": text, "profile": text,
            "exit_code": number, "signal": number,
            "stdout": text, "stderr": text,
            "truncated": {"type": "boolean"}, "redactions": number, "duration_ms": number, "error": text,
        },
        "required": ["outcome", "stdout", "stderr", "truncated", "duration_ms"],
    })
}
