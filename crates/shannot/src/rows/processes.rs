//! Processes: `ps`, of procps or of busybox.

use serde::{Deserialize, Serialize};

use super::found::{Compare, Found};
use super::text::{Line, Lines, kept};
use super::{Ending, ParseError, Query, RowLimit, Silence, words};

/// What to ask of processes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Processes {
    /// Which come first.
    pub sort: Order,
    /// The most rows.
    pub limit: RowLimit,
    /// Only those of this user, by name.
    pub user: Option<String>,
    /// Only those whose command has this text in it.
    pub contains: Option<String>,
}

/// Which processes come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Those that used most CPU time for their age.
    #[default]
    Cpu,
    /// Those with most memory in RAM.
    Memory,
    /// Those with the smallest id.
    Pid,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub ppid: u32,
    /// Its effective user's name, or number where there is no name. busybox cuts it to 8 characters.
    /// In a box of tier T2 all but its own user are `nobody`.
    pub user: String,
    /// `R` runs, `S` sleeps, `D` waits for a device, `Z` has ended, `T` is stopped, `I` is idle: ps(1).
    pub state: String,
    /// CPU time since its start by the time since then, in percent of one processor. busybox does not tell.
    pub cpu_percent: Option<f64>,
    /// Memory in RAM, in bytes; of busybox, as exactly as that tells.
    pub rss_bytes: u64,
    /// Address space, in bytes; of busybox, as exactly as that tells.
    pub vsz_bytes: u64,
    /// Seconds since its start. busybox does not tell.
    pub elapsed_seconds: Option<u64>,
    /// Its threads. busybox does not tell.
    pub threads: Option<u32>,
    /// Program and arguments, joined by spaces; in brackets the name, where there are none.
    pub command: String,
}

/// Whose `ps` it is.
#[derive(Debug, Clone, Copy)]
pub enum Dialect {
    /// That of procps.
    Procps,
    /// That of busybox.
    Busybox,
}

/// The width that is asked for of names: a longer one ends with `+`. It is padded, so that what comes
/// behind it is at the same place whatever a name has in it.
const USER_WIDTH: usize = 64;

impl Query for Processes {
    type Row = Process;
    type Dialect = Dialect;
    const DIALECTS: &'static [Dialect] = &[Dialect::Procps, Dialect::Busybox];

    fn stages(&self, dialect: Dialect) -> Vec<Vec<String>> {
        let mut argv = match dialect {
            Dialect::Procps => words(["ps", "-A", "-ww"]),
            Dialect::Busybox => words(["ps"]),
        };
        let columns: &[&str] = match dialect {
            Dialect::Procps => {
                &["pid", "ppid", "state", "pcpu", "rss", "vsz", "etimes", "nlwp", "user:64", "args"]
            }
            Dialect::Busybox => &["pid", "ppid", "stat", "rss", "vsz", "user", "args"],
        };
        argv.extend(columns.iter().flat_map(|column| ["-o".to_owned(), format!("{column}=")]));
        vec![argv]
    }

    fn ending(dialect: Dialect) -> Ending {
        match dialect {
            Dialect::Procps | Dialect::Busybox => {
                Ending { most_code: 0, silence: Silence::SaysNothing }
            }
        }
    }

    fn rows(
        &self,
        dialect: Dialect,
        lines: Lines<'_>,
        found: &mut Found<Process>,
    ) -> Result<(), ParseError> {
        for line in lines {
            let process = match dialect {
                Dialect::Procps => procps(line),
                Dialect::Busybox => busybox(line),
            }?;
            if self.wants(&process) {
                found.push(process);
            }
        }
        Ok(())
    }

    fn order(&self) -> Option<Compare<Process>> {
        Some(match self.sort {
            Order::Cpu => {
                |a, b| b.cpu_percent.unwrap_or(0.0).total_cmp(&a.cpu_percent.unwrap_or(0.0))
            }
            Order::Memory => |a, b| b.rss_bytes.cmp(&a.rss_bytes),
            Order::Pid => |a, b| a.pid.cmp(&b.pid),
        })
    }

    fn limit(&self) -> RowLimit {
        self.limit
    }
}

impl Processes {
    fn wants(&self, process: &Process) -> bool {
        self.user.as_ref().is_none_or(|user| *user == process.user)
            && self.contains.as_ref().is_none_or(|text| process.command.contains(text.as_str()))
    }
}

fn procps(mut line: Line<'_>) -> Result<Process, ParseError> {
    let pid = line.number("a process id")?;
    let ppid = line.number("the parent's process id")?;
    let state = kept(line.word("a state")?);
    let cpu: f64 = line.number("CPU time in percent")?;
    let rss: u64 = line.number("memory in KiB")?;
    let vsz: u64 = line.number("address space in KiB")?;
    let elapsed_seconds = Some(line.number("seconds since the start")?);
    let threads = Some(line.number("a number of threads")?);
    let rest = line.rest();
    let width = rest.char_indices().nth(USER_WIDTH).map(|(at, _)| at);
    // A process without any argument may have an empty name.
    let (user, command) = match width {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let command = command.strip_prefix(' ').unwrap_or(command);
    let user = user.trim_matches(' ');
    if user.is_empty() || !cpu.is_finite() {
        return Err(line.error("a user"));
    }
    Ok(Process {
        pid,
        ppid,
        user: kept(user),
        state,
        cpu_percent: Some(cpu),
        rss_bytes: rss.saturating_mul(1024),
        vsz_bytes: vsz.saturating_mul(1024),
        elapsed_seconds,
        threads,
        command: kept(command),
    })
}

fn busybox(mut line: Line<'_>) -> Result<Process, ParseError> {
    let pid = line.number("a process id")?;
    let ppid = line.number("the parent's process id")?;
    let state = line.word("a state")?.chars().take(1).collect();
    // Flags of the state may stand apart from it, as in `S <`.
    let mut behind = line;
    while behind.word("memory in KiB")?.starts_with(['W', '<', 'N']) {
        line = behind;
    }
    let rss_bytes = scaled(&mut line, "memory in KiB")?;
    let vsz_bytes = scaled(&mut line, "address space in KiB")?;
    let user = kept(line.word("a user")?);
    Ok(Process {
        pid,
        ppid,
        user,
        state,
        cpu_percent: None,
        rss_bytes,
        vsz_bytes,
        elapsed_seconds: None,
        threads: None,
        command: kept(line.rest().trim_start_matches(' ')),
    })
}

/// KiB, or more with a letter behind it: `512`, `44m`, `1.2g`.
fn scaled(line: &mut Line<'_>, expected: &'static str) -> Result<u64, ParseError> {
    let before = *line;
    let word = line.word(expected)?;
    let digits = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let power = match &word[digits.len()..] {
        "" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(before.error(expected)),
    };
    let (whole, tenths) = digits.split_once('.').unwrap_or((digits, "0"));
    let whole: Option<u64> = whole.parse().ok();
    let tenths: Option<u64> = tenths.parse().ok().filter(|tenths| *tenths < 10);
    let unit = 1024_u64.pow(power);
    let bytes = whole
        .zip(tenths)
        .map(|(whole, tenths)| whole.saturating_mul(unit).saturating_add(tenths * (unit / 10)));
    bytes.ok_or_else(|| before.error(expected))
}
