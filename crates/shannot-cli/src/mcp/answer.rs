//! What a call is answered with: a text for the model, and the same as data.

use rmcp::model::{CallToolResult, ContentBlock, Resource};
use serde::Serialize;
use serde_json::{Value, json};
use shannot::rows::Table;
use shannot::{Collected, End, Limit, Refusal};

use super::excerpt::{self, MOST, MOST_OF_ERROR};
use super::resources;
use super::results::Results;
use crate::error::{chain, hint_of_failure};
use crate::render::json::outcome_name;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<Value>>,
    /// How many rows there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// Whether output was left out that is nowhere else.
    truncated: bool,
    /// Where the whole of what was left out here can be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<Kept>,
    /// Secrets that were taken out.
    redactions: u64,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The answers of several hosts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    results: Vec<Data>,
}

/// A text that can be read in pieces.
#[derive(Debug, Serialize)]
struct Kept {
    stream: &'static str,
    id: String,
    bytes: usize,
}

/// By which target and profile something was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) target: String,
    pub(super) profile: String,
}

impl Answer {
    /// To what is not understood.
    pub(super) fn refused(why: &str) -> Self {
        let excerpt = excerpt::of(why.as_bytes(), MOST_OF_ERROR);
        let data = Data {
            outcome: "failed",
            error: Some(excerpt.text.clone()),
            redactions: excerpt.redactions,
            ..Data::default()
        };
        Self { text: excerpt.text, data, is_error: true }
    }

    /// To what the profile does not allow, and what else would.
    pub(super) fn of_refusal(asked: Asked, refusal: &Refusal, otherwise: Option<&str>) -> Self {
        let mut answer = match refusal {
            Refusal::Denied(denial) => {
                let hint = otherwise.or(denial.hint.as_deref());
                let hint = hint.map(|hint| format!("\nhint: {hint}"));
                let mut answer = Self::refused(&format!("{denial}{}", hint.unwrap_or_default()));
                answer.data.outcome = "denied";
                answer
            }
            other => Self::refused(&chain(other)),
        };
        answer.data.target = Some(asked.target);
        answer.data.profile = Some(asked.profile);
        answer
    }

    /// To what has run, or should have.
    pub(super) fn of_run(asked: Asked, run: &Collected, results: &Results) -> Self {
        let Collected { stdout, stderr, truncated, outcome } = run;
        let is_error = !matches!(outcome.end, End::Exited(0));
        // What a client shows of an error is shorter.
        let most = if is_error { MOST_OF_ERROR } else { MOST };
        let mut stdout = excerpt::of(stdout, most);
        let left = most.saturating_sub(stdout.text.chars().count()).max(most / 5);
        let mut stderr = excerpt::of(stderr, left);
        let redactions = stdout.redactions + stderr.redactions;
        let mut kept = Vec::new();
        let mut truncated = *truncated;
        for (stream, excerpt) in [("stdout", &mut stdout), ("stderr", &mut stderr)] {
            let Some(whole) = excerpt.whole.take() else { continue };
            let bytes = whole.len();
            match results.keep(whole) {
                Ok(Some(id)) => kept.push(Kept { stream, id, bytes }),
                _ => truncated = true,
            }
        }
        let end = end(&outcome.end, run.truncated);
        let hint = match &outcome.end {
            End::Failed(failure) => hint_of_failure(failure),
            _ => None,
        };
        let mut text = Text(stdout.text.clone());
        text.part("stderr", &stderr.text);
        text.part("end", &end);
        text.part("hint", hint.as_deref().unwrap_or_default());
        for Kept { stream, id, bytes } in &kept {
            text.part("kept", &format!("all {bytes} bytes of {stream}: read_result id={id}"));
        }
        let data = Data {
            outcome: outcome_name(outcome),
            target: Some(asked.target),
            profile: Some(asked.profile),
            exit_code: if let End::Exited(code) = outcome.end { Some(code) } else { None },
            signal: if let End::Signaled(signal) = outcome.end { Some(signal) } else { None },
            stdout: Some(stdout.text),
            stderr: Some(stderr.text),
            truncated,
            kept,
            redactions,
            duration_ms: u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX),
            error: matches!(outcome.end, End::Failed(_)).then_some(end),
            ..Data::default()
        };
        Self { text: text.0, data, is_error }
    }

    /// To what has answered with rows: each is a line of the text, too.
    pub(super) fn of_rows(
        asked: Asked,
        table: Table<Value>,
        run: &Collected,
        results: &Results,
    ) -> Self {
        let Table { rows, total, cut_short } = table;
        let mut redactions = 0;
        let rows = rows.into_iter().map(|row| harmless(row, &mut redactions)).collect();
        let mut table = Table { rows, total, cut_short };
        let whole = lines(&table.rows);
        let all = table.rows.len();
        table.shorten(MOST);
        let mut truncated = run.truncated || cut_short;
        let mut kept = Vec::new();
        if table.rows.len() < all {
            let bytes = whole.len();
            match results.keep(whole) {
                Ok(Some(id)) => kept.push(Kept { stream: "rows", id, bytes }),
                _ => truncated = true,
            }
        }
        let mut text = Text(lines(&table.rows));
        text.part("rows", &format!("{} of {total}", table.rows.len()));
        let stderr = excerpt::of(&run.stderr, MOST_OF_ERROR);
        text.part("stderr", &stderr.text);
        for Kept { stream, id, bytes } in &kept {
            text.part("kept", &format!("all {bytes} bytes of {stream}: read_result id={id}"));
        }
        let data = Data {
            outcome: outcome_name(&run.outcome),
            target: Some(asked.target),
            profile: Some(asked.profile),
            stderr: (!stderr.text.is_empty()).then_some(stderr.text),
            rows: Some(table.rows),
            total: Some(total),
            truncated,
            kept,
            redactions: redactions + stderr.redactions,
            duration_ms: u64::try_from(run.outcome.duration.as_millis()).unwrap_or(u64::MAX),
            ..Data::default()
        };
        Self { text: text.0, data, is_error: false }
    }

    /// The answers of several hosts in one, each under its name.
    pub(super) fn of_several(answers: Vec<Self>) -> Self {
        let is_error = answers.iter().any(|answer| answer.is_error);
        let mut text = Text(String::new());
        let mut data = Data { outcome: "several", ..Data::default() };
        let count = answers.len().max(1);
        for answer in answers {
            let target = answer.data.target.as_deref().unwrap_or_default();
            // Together they are no longer than one.
            let most = if is_error { MOST_OF_ERROR } else { MOST } / count;
            let shown = excerpt::of(answer.text.as_bytes(), most.max(500)).text;
            text.part(target, &format!("\n{shown}"));
            data.redactions += answer.data.redactions;
            data.truncated |= answer.data.truncated;
            data.duration_ms = data.duration_ms.max(answer.data.duration_ms);
            data.results.push(answer.data);
        }
        Self { text: text.0, data, is_error }
    }

    /// The same of this target.
    pub(super) fn at(mut self, target: &str) -> Self {
        self.data.target.get_or_insert_with(|| target.to_owned());
        self
    }

    /// The same with what else is to be known.
    pub(super) fn with_notices(mut self, notices: &[String]) -> Self {
        let mut text = Text(self.text);
        for notice in notices {
            let notice = excerpt::of(notice.as_bytes(), MOST_OF_ERROR / 10).text;
            text.part("notice", &notice);
        }
        self.text = text.0;
        self
    }

    /// In the form of the protocol.
    pub(super) fn into_result(self) -> CallToolResult {
        let mut content = vec![ContentBlock::text(self.text)];
        content.extend(self.data.kept.iter().map(|kept| {
            let uri = resources::uri_of_result(&kept.id);
            let size = u64::try_from(kept.bytes).unwrap_or(u64::MAX);
            let link = Resource::new(uri, kept.stream).with_mime_type("text/plain");
            ContentBlock::resource_link(link.with_size(size))
        }));
        let mut result = match self.is_error {
            true => CallToolResult::error(content),
            false => CallToolResult::success(content),
        };
        result.structured_content = serde_json::to_value(&self.data).ok();
        result
    }
}

/// How a run ended, where that is worth a word.
fn end(end: &End, truncated: bool) -> String {
    match end {
        End::Exited(0) if truncated => "the output was longer than the profile lets it be".into(),
        End::Exited(0) => String::new(),
        End::Exited(code) => format!("exit code {code}"),
        End::Signaled(signal) => format!("ended by signal {signal}"),
        End::TimedOut => "ended by its time limit".to_owned(),
        End::LimitReached(limit) => format!("ended by the limit `{}`", Limit::as_str(*limit)),
        End::Cancelled => "cancelled".to_owned(),
        End::Failed(failure) => chain(failure),
    }
}

/// A text of named parts.
struct Text(String);

impl Text {
    fn part(&mut self, name: &str, part: &str) {
        if !part.is_empty() {
            if !self.0.is_empty() && !self.0.ends_with('\n') {
                self.0.push('\n');
            }
            self.0.push_str(&format!("[{name}] {part}"));
        }
    }
}

/// One row a line.
fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// A row without the secrets that are known by their looks, and nothing that a terminal would obey.
fn harmless(row: Value, redactions: &mut u64) -> Value {
    match row {
        Value::String(text) => {
            let excerpt = excerpt::of(text.as_bytes(), MOST_OF_ERROR);
            *redactions += excerpt.redactions;
            Value::String(excerpt.text)
        }
        Value::Array(all) => {
            Value::Array(all.into_iter().map(|one| harmless(one, redactions)).collect())
        }
        Value::Object(all) => {
            // What is not known is not told: a model reads every word.
            let known = all.into_iter().filter(|(_, one)| !one.is_null());
            Value::Object(known.map(|(name, one)| (name, harmless(one, redactions))).collect())
        }
        other => other,
    }
}

/// The form of an answer of rows.
pub(super) fn schema_of_rows() -> Value {
    let (rows, total) = (json!({"type": "array"}), json!({"type": "integer"}));
    json!({"type": "object", "properties": {"rows": rows, "total": total}})
}

/// The form of [`Data`], as far as a model can use it. It stands once for each tool, so it is short.
pub(super) fn schema() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "properties": {"outcome": text, "exit_code": {"type": "integer"}, "stdout": text,
            "stderr": text},
    })
}
