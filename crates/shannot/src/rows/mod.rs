//! What diagnostic commands print, as typed rows.
//!
//! A [`Query`] says which commands to try and reads what they print; running them is for whoever
//! asks, through a [`Gate`](crate::Gate) as any command. All that is read here was written by
//! programs of the host about things that its users named: it is held to its form, bounded, and
//! otherwise kept as it is. Control characters stay what they are, and are for a front to show.
//!
//! ```
//! use shannot::rows::{Disks, Query};
//!
//! let disks = Disks::default();
//! for attempt in disks.attempts() {
//!     println!("{:?}", attempt.stages());
//!     // Run it. If `attempt.answered(code, &stdout, &stderr)`, read it:
//!     // `disks.parse(&attempt, &stdout)`
//! }
//! ```

mod disks;
mod found;
mod journal;
mod packages;
mod processes;
mod services;
mod sockets;
mod text;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shannot_policy::profile::{Glob, PatternError};

pub use disks::{Disk, Disks};
use found::{Compare, Found};
pub use journal::{Entry, Journal, Priority};
pub use packages::{Package, Packages};
pub use processes::{Order, Process, Processes};
pub use services::{Service, Services};
pub use sockets::{Protocol, Socket, SocketProcess, Sockets};
use text::Lines;

/// The most rows that a query gives, whatever it asks for.
pub const MOST_ROWS: u32 = 1000;

/// What one noun can be asked for, and how its commands answer. The nouns of this module have it, and no
/// others can.
pub trait Query {
    /// One row of the answer.
    type Row: Serialize;
    /// The programs that can answer, each with its own form.
    type Dialect: Copy + 'static;
    /// All of them, the best first.
    const DIALECTS: &'static [Self::Dialect];

    /// The command, or several joined by pipes.
    fn stages(&self, dialect: Self::Dialect) -> Vec<Vec<String>>;
    /// How the command ends when it has answered.
    fn ending(dialect: Self::Dialect) -> Ending;
    /// Finds the rows that are asked for.
    ///
    /// # Errors
    /// A line is not what this command writes.
    fn rows(
        &self,
        dialect: Self::Dialect,
        lines: Lines<'_>,
        found: &mut Found<Self::Row>,
    ) -> Result<(), ParseError>;
    /// Which rows come first; without, those that are printed first.
    fn order(&self) -> Option<Compare<Self::Row>> {
        None
    }
    /// The most rows.
    fn limit(&self) -> RowLimit;

    /// What to run: one after another, until one has answered.
    fn attempts(&self) -> Vec<Attempt> {
        let attempt = |(nth, dialect): (usize, &Self::Dialect)| Attempt {
            nth,
            stages: self.stages(*dialect),
            ending: Self::ending(*dialect),
        };
        Self::DIALECTS.iter().enumerate().map(attempt).collect()
    }

    /// Reads what an attempt of this query has printed.
    ///
    /// # Errors
    /// A line is not what the command writes.
    fn parse(&self, attempt: &Attempt, stdout: &[u8]) -> Result<Table<Self::Row>, ParseError> {
        let Some(dialect) = Self::DIALECTS.get(attempt.nth) else {
            return Err(ParseError::at(0, "output of an attempt of this query", ""));
        };
        // Every one of these commands ends its last line, too.
        let whole = stdout.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let text = String::from_utf8_lossy(&stdout[..whole]);
        let mut found = Found::new(self.limit(), self.order());
        self.rows(*dialect, Lines::new(&text), &mut found)?;
        let (rows, total) = found.finish();
        Ok(Table { rows, total, cut_short: whole < stdout.len() })
    }
}

/// How a command ends when it has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The greatest exit code of an answer: some programs tell with 1 or 2 that a part is missing.
    most_code: i32,
    /// Whether nothing at all is an answer.
    silence: Silence,
}

/// Whether nothing at all is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// It is.
    Answers,
    /// It is, also with this exit code if nothing stands on standard error.
    AnswersToo(i32),
    /// It is none.
    SaysNothing,
}

/// One way to get the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    nth: usize,
    stages: Vec<Vec<String>>,
    ending: Ending,
}

impl Attempt {
    /// The command, or several joined by pipes; each as program and arguments.
    pub fn stages(&self) -> &[Vec<String>] {
        &self.stages
    }

    /// Whether the command has answered, by the exit code of its last stage and its output. If not, as
    /// where there is no such program, the next attempt may; what the last one said is the error. What
    /// an answer says on standard error, such as what could not be read, belongs to it.
    pub fn answered(&self, code: i32, stdout: &[u8], stderr: &[u8]) -> bool {
        let fine = (0..=self.ending.most_code).contains(&code);
        match (self.ending.silence, stdout.is_empty()) {
            (Silence::AnswersToo(other), true) => fine || (code == other && stderr.is_empty()),
            (Silence::SaysNothing, true) => false,
            (Silence::Answers, true)
            | (Silence::Answers | Silence::AnswersToo(_) | Silence::SaysNothing, false) => fine,
        }
    }
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Table<R> {
    /// The rows, in the order that was asked for; at most as many as were asked for.
    pub rows: Vec<R>,
    /// How many rows there were, with those that are left out.
    pub total: u64,
    /// Whether the output ended inside a line: there may be more that nobody has read.
    pub cut_short: bool,
}

impl Table<Value> {
    /// Leaves out the last rows so that the others are no more than so many bytes of JSON.
    pub fn shorten(&mut self, most_bytes: usize) {
        let mut left = most_bytes;
        let fits = self.rows.iter().take_while(|row| {
            // A comma between two of them.
            let bytes = row.to_string().len() + 1;
            let fits = bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        });
        let fits = fits.count();
        self.rows.truncate(fits);
    }
}

/// Why an output could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}, found `{found}`")]
pub struct ParseError {
    /// The line of the output, from 1.
    pub line: usize,
    /// What should have stood there.
    pub expected: &'static str,
    /// What did: its beginning, escaped.
    pub found: String,
}

impl ParseError {
    fn at(line: usize, expected: &'static str, found: &str) -> Self {
        let mut excerpt: String = found.chars().take(80).flat_map(char::escape_debug).collect();
        if found.chars().nth(80).is_some() {
            excerpt.push('…');
        }
        Self { line, expected, found: excerpt }
    }
}

/// The most rows that a query gives: 1 to [`MOST_ROWS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "u32")]
pub struct RowLimit(u32);

impl RowLimit {
    /// So many rows, as a number.
    pub fn rows(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Default for RowLimit {
    fn default() -> Self {
        Self(100)
    }
}

impl TryFrom<u32> for RowLimit {
    type Error = NotALimit;

    fn try_from(rows: u32) -> Result<Self, NotALimit> {
        match rows {
            1..=MOST_ROWS => Ok(Self(rows)),
            _ => Err(NotALimit(rows)),
        }
    }
}

/// That a number is no [`RowLimit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} rows cannot be asked for: ask for 1 to {MOST_ROWS}")]
pub struct NotALimit(u32);

/// A pattern for names: `*`, `?` and `[abc]`, as [`Glob`] has them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NamePattern(Glob);

impl NamePattern {
    /// Whether the whole name is one that is meant.
    pub fn matches(&self, name: &str) -> bool {
        self.0.matches(name)
    }
}

impl TryFrom<String> for NamePattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Ok(Self(text.parse()?))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for NamePattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NamePattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

/// A query of any noun, whose rows are JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// Processes.
    Processes(Processes),
    /// Sockets.
    Sockets(Sockets),
    /// File systems.
    Disks(Disks),
    /// Services.
    Services(Services),
    /// Entries of the journal.
    Journal(Journal),
    /// Installed packages.
    Packages(Packages),
}

impl Rows {
    /// As [`Query::attempts`].
    pub fn attempts(&self) -> Vec<Attempt> {
        match self {
            Self::Processes(query) => query.attempts(),
            Self::Sockets(query) => query.attempts(),
            Self::Disks(query) => query.attempts(),
            Self::Services(query) => query.attempts(),
            Self::Journal(query) => query.attempts(),
            Self::Packages(query) => query.attempts(),
        }
    }

    /// As [`Query::parse`], with each row as JSON.
    ///
    /// # Errors
    /// A line is not what the command writes.
    pub fn parse(&self, attempt: &Attempt, stdout: &[u8]) -> Result<Table<Value>, ParseError> {
        fn json<Q: Query>(
            query: &Q,
            attempt: &Attempt,
            stdout: &[u8],
        ) -> Result<Table<Value>, ParseError> {
            let Table { rows, total, cut_short } = query.parse(attempt, stdout)?;
            let rows = rows.iter().map(serde_json::to_value).collect::<Result<_, _>>();
            let rows = rows.map_err(|error| ParseError::at(0, "a row", &error.to_string()))?;
            Ok(Table { rows, total, cut_short })
        }
        match self {
            Self::Processes(query) => json(query, attempt, stdout),
            Self::Sockets(query) => json(query, attempt, stdout),
            Self::Disks(query) => json(query, attempt, stdout),
            Self::Services(query) => json(query, attempt, stdout),
            Self::Journal(query) => json(query, attempt, stdout),
            Self::Packages(query) => json(query, attempt, stdout),
        }
    }
}

/// Words of a command line.
fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

#[cfg(test)]
mod tests;
