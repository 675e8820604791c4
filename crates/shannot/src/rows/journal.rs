//! The journal of systemd: `journalctl`, one JSON object a line.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::found::Found;
use super::text::{Line, Lines, kept};
use super::{Ending, ParseError, Query, RowLimit, Silence, words};

/// What to ask of the journal. The newest entries are given, the oldest of them first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// Only those of this unit, or of units of such a name (`*`, `?`).
    pub unit: Option<String>,
    /// Only those since this time, as of systemd.time(7): `2024-05-06 07:08:09`, `-1h`, `yesterday`.
    pub since: Option<String>,
    /// Only those until this time.
    pub until: Option<String>,
    /// Only those of this priority, and of those that are more important.
    pub priority: Option<Priority>,
    /// Only those whose message matches this regular expression (PCRE).
    pub grep: Option<String>,
    /// The most rows.
    pub limit: RowLimit,
}

/// How important an entry is: syslog(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// 0: the system is unusable.
    Emerg,
    /// 1: something must be done at once.
    Alert,
    /// 2: critical.
    Crit,
    /// 3: an error.
    Err,
    /// 4: a warning.
    Warning,
    /// 5: normal, but significant.
    Notice,
    /// 6: informational.
    Info,
    /// 7: for developers.
    Debug,
}

impl Priority {
    const ALL: [Self; 8] = [
        Self::Emerg,
        Self::Alert,
        Self::Crit,
        Self::Err,
        Self::Warning,
        Self::Notice,
        Self::Info,
        Self::Debug,
    ];

    /// The name that journalctl takes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Emerg => "emerg",
            Self::Alert => "alert",
            Self::Crit => "crit",
            Self::Err => "err",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// An entry of the journal. What an entry does not say is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Entry {
    /// When it was received: RFC 3339, in UTC, with microseconds.
    pub time: String,
    /// The unit that wrote it; of what systemd itself says, the unit that it is about.
    pub unit: Option<String>,
    /// How important its writer says it is.
    pub priority: Option<Priority>,
    /// The process that wrote it.
    pub pid: Option<u32>,
    /// The name by which its writer calls itself.
    pub identifier: Option<String>,
    /// What it says. None also where journalctl finds it too long. What is no text in it is `�`.
    pub message: Option<String>,
}

/// What reads the journal.
#[derive(Debug, Clone, Copy)]
pub enum Dialect {
    /// `journalctl`.
    Journalctl,
}

/// More than journalctl writes of these fields: each is null from 4 KiB on. JSON takes many times its
/// length in memory.
const LONGEST_ENTRY: usize = 1 << 20;
/// RFC 3339 has no year behind 9999: its end, in microseconds.
const LAST_TIME: u64 = 253_402_300_800_000_000;

impl Query for Journal {
    type Row = Entry;
    type Dialect = Dialect;
    const DIALECTS: &'static [Dialect] = &[Dialect::Journalctl];

    fn stages(&self, dialect: Dialect) -> Vec<Vec<String>> {
        match dialect {
            Dialect::Journalctl => {
                let mut argv = words([
                    "journalctl",
                    "--no-pager",
                    "--output=json",
                    "--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,UNIT,_COMM,_PID,_SYSTEMD_UNIT",
                ]);
                argv.push(format!("--lines={}", self.limit.rows()));
                // One word each, so that none of them can be another option.
                let options = [
                    ("unit", self.unit.as_deref()),
                    ("since", self.since.as_deref()),
                    ("until", self.until.as_deref()),
                    ("priority", self.priority.map(Priority::as_str)),
                    ("grep", self.grep.as_deref()),
                ];
                let given = options.into_iter().filter_map(|(name, value)| Some((name, value?)));
                argv.extend(given.map(|(name, value)| format!("--{name}={value}")));
                vec![argv]
            }
        }
    }

    fn ending(dialect: Dialect) -> Ending {
        match dialect {
            // 1: a failure, which stands on standard error, or that nothing matches --grep.
            Dialect::Journalctl => Ending { most_code: 0, silence: Silence::AnswersToo(1) },
        }
    }

    fn rows(
        &self,
        dialect: Dialect,
        lines: Lines<'_>,
        found: &mut Found<Entry>,
    ) -> Result<(), ParseError> {
        match dialect {
            Dialect::Journalctl => {
                // `-- No entries --`
                let mut entries = lines.filter(|line| !line.whole().starts_with("-- "));
                entries.try_for_each(|line| entry(line).map(|row| found.push(row)))
            }
        }
    }

    fn limit(&self) -> RowLimit {
        self.limit
    }
}

fn entry(line: Line<'_>) -> Result<Entry, ParseError> {
    if line.whole().len() > LONGEST_ENTRY {
        return Err(line.error("an entry of no more than 1 MiB"));
    }
    let fields: Map<String, Value> =
        serde_json::from_str(line.whole()).map_err(|_| line.error("an entry as a JSON object"))?;
    let field = |name: &str| fields.get(name).and_then(text);
    let received = field("__REALTIME_TIMESTAMP").and_then(|time| time.parse().ok());
    let Some(micros) = received.filter(|micros| *micros < LAST_TIME) else {
        return Err(line.error("`__REALTIME_TIMESTAMP` in microseconds"));
    };
    let time = humantime::format_rfc3339_micros(UNIX_EPOCH + Duration::from_micros(micros));
    let priority = field("PRIORITY").and_then(|number| number.parse::<usize>().ok());
    let pid: Option<u32> = field("_PID").and_then(|pid| pid.parse().ok());
    // Whoever writes may say `UNIT=`; only of process 1 is it the truth.
    let about = field("UNIT").filter(|_| pid == Some(1));
    Ok(Entry {
        time: time.to_string(),
        unit: about.or_else(|| field("_SYSTEMD_UNIT")).map(|unit| kept(&unit)),
        priority: priority.and_then(|number| Priority::ALL.get(number).copied()),
        pid,
        identifier: field("SYSLOG_IDENTIFIER").or_else(|| field("_COMM")).map(|name| kept(&name)),
        message: field("MESSAGE").map(|message| kept(&message)),
    })
}

/// A field's value: text, the bytes of what is no text as numbers, or the first of several values.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => match values.first()? {
            Value::Number(_) => {
                let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok());
                let bytes: Option<Vec<u8>> = values.iter().map(byte).collect();
                Some(String::from_utf8_lossy(&bytes?).into_owned())
            }
            first @ (Value::String(_) | Value::Array(_)) => text(first),
            Value::Null | Value::Bool(_) | Value::Object(_) => None,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}
