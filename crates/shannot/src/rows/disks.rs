//! Space on file systems: `df`, of coreutils or as POSIX has it.

use serde::{Deserialize, Serialize};
use shannot_policy::types::AbsPath;

use super::found::Found;
use super::text::{Line, Lines, kept};
use super::{Ending, ParseError, Query, RowLimit, Silence, words};

/// What to ask of file systems.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Disks {
    /// Only the one that has this path.
    pub path: Option<PathOf>,
    /// The most rows.
    pub limit: RowLimit,
}

/// An absolute path that a query is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PathOf(AbsPath);

impl TryFrom<String> for PathOf {
    type Error = shannot_policy::types::TypeError;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        AbsPath::new(path).map(Self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for PathOf {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AbsolutePath".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Disk {
    /// What is mounted: a device, or a name. df writes `?` for what no terminal could show.
    pub source: String,
    /// The file system's type. Not told by every busybox.
    pub fs_type: String,
    /// Its size, in bytes; none where it has none.
    pub size_bytes: Option<u64>,
    /// What of it is used, in bytes.
    pub used_bytes: Option<u64>,
    /// What an ordinary user may still use, in bytes.
    pub available_bytes: Option<u64>,
    /// What is used of what an ordinary user could use, in percent.
    pub used_percent: Option<u32>,
    /// Files it can hold. busybox does not tell; 0 where there is no limit.
    pub inodes: Option<u64>,
    /// Files it holds. busybox does not tell.
    pub inodes_used: Option<u64>,
    /// The directory on which it is mounted. df writes `?` for what no terminal could show.
    pub mounted_on: String,
}

/// Whose `df` it is.
#[derive(Debug, Clone, Copy)]
pub enum Dialect {
    /// That of coreutils.
    Coreutils,
    /// One that knows `-P`, `-k` and `-T`, such as that of busybox.
    Posix,
}

/// As df names them. What users of the host may name stands last.
const COLUMNS: &str = "--output=fstype,size,used,avail,pcent,itotal,iused,source,target";

impl Query for Disks {
    type Row = Disk;
    type Dialect = Dialect;
    const DIALECTS: &'static [Dialect] = &[Dialect::Coreutils, Dialect::Posix];

    fn stages(&self, dialect: Dialect) -> Vec<Vec<String>> {
        let mut argv = match dialect {
            Dialect::Coreutils => words(["df", "-B1", COLUMNS]),
            Dialect::Posix => words(["df", "-P", "-k", "-T"]),
        };
        argv.extend(self.path.iter().map(|path| path.0.to_string()));
        vec![argv]
    }

    fn ending(dialect: Dialect) -> Ending {
        match dialect {
            // 1: a part of the file systems did not answer.
            Dialect::Coreutils | Dialect::Posix => {
                Ending { most_code: 1, silence: Silence::SaysNothing }
            }
        }
    }

    fn rows(
        &self,
        dialect: Dialect,
        mut lines: Lines<'_>,
        found: &mut Found<Disk>,
    ) -> Result<(), ParseError> {
        let Some(title) = lines.next() else {
            return Err(ParseError::at(1, "the titles of df", ""));
        };
        match dialect {
            Dialect::Coreutils => {
                let Some(at) = title.whole().find("Mounted on") else {
                    return Err(title.error("the title `Mounted on`"));
                };
                let column = title.whole()[..at].chars().count();
                lines.try_for_each(|line| coreutils(line, column).map(|disk| found.push(disk)))
            }
            Dialect::Posix => lines.try_for_each(|line| posix(line).map(|disk| found.push(disk))),
        }
    }

    fn limit(&self) -> RowLimit {
        self.limit
    }
}

fn coreutils(mut line: Line<'_>, column: usize) -> Result<Disk, ParseError> {
    let fs_type = kept(line.word("a type of file system")?);
    let size_bytes = amount(&mut line, "its size")?;
    let used_bytes = amount(&mut line, "what is used of it")?;
    let available_bytes = amount(&mut line, "what is free of it")?;
    let used_percent = percent(&mut line)?;
    let inodes = amount(&mut line, "its inodes")?;
    let inodes_used = amount(&mut line, "its used inodes")?;
    // Both names that are left may have spaces in them. The first is padded up to the second's title,
    // unless characters of other widths stand in it.
    let names = line.rest();
    let read = line.whole().len() - names.len();
    let under_title = line.whole().char_indices().nth(column).map(|(at, _)| at);
    let candidate = under_title
        .filter(|at| line.whole()[..*at].ends_with(' ') && line.whole()[*at..].starts_with('/'))
        .and_then(|at| at.checked_sub(read));
    let Some(at) = candidate.or_else(|| names.find(" /").map(|at| at + 1)) else {
        return Err(line.error("what is mounted, and where"));
    };
    Ok(Disk {
        source: kept(names[..at].trim_matches(' ')),
        fs_type,
        size_bytes,
        used_bytes,
        available_bytes,
        used_percent,
        inodes,
        inodes_used,
        mounted_on: kept(&names[at..]),
    })
}

/// The source stands first here: its end is where the columns behind it can be read.
fn posix(line: Line<'_>) -> Result<Disk, ParseError> {
    let mut before = line;
    loop {
        before.word("what is mounted, its type, four numbers, and where")?;
        let source = &line.whole()[..line.whole().len() - before.rest().len()];
        if let Ok(disk) = behind_source(before, source) {
            return Ok(disk);
        }
    }
}

fn behind_source(mut line: Line<'_>, source: &str) -> Result<Disk, ParseError> {
    let fs_type = kept(line.word("a type of file system")?);
    let mut kibibytes = |expected| {
        amount(&mut line, expected).map(|amount| amount.map(|kib| kib.saturating_mul(1024)))
    };
    let size_bytes = kibibytes("its size")?;
    let used_bytes = kibibytes("what is used of it")?;
    let available_bytes = kibibytes("what is free of it")?;
    let used_percent = percent(&mut line)?;
    let mounted_on = line.rest().trim_start_matches(' ');
    if !mounted_on.starts_with('/') {
        return Err(line.error("where it is mounted"));
    }
    Ok(Disk {
        source: kept(source.trim_matches(' ')),
        fs_type,
        size_bytes,
        used_bytes,
        available_bytes,
        used_percent,
        inodes: None,
        inodes_used: None,
        mounted_on: kept(mounted_on),
    })
}

/// A number, or `-` where there is none. What is free is less than nothing where root has used a part
/// of what is kept for it.
fn amount(line: &mut Line<'_>, expected: &'static str) -> Result<Option<u64>, ParseError> {
    let before = *line;
    let word = line.word(expected)?;
    if word == "-" {
        return Ok(None);
    }
    let (number, negative) = match word.strip_prefix('-') {
        Some(number) => (number, true),
        None => (word, false),
    };
    let number: u64 = number.parse().map_err(|_| before.error(expected))?;
    Ok(Some(if negative { 0 } else { number }))
}

fn percent(line: &mut Line<'_>) -> Result<Option<u32>, ParseError> {
    let expected = "what is used in percent";
    let before = *line;
    match line.word(expected)? {
        "-" => Ok(None),
        word => {
            let number = word.strip_suffix('%').and_then(|number| number.parse().ok());
            number.map(Some).ok_or_else(|| before.error(expected))
        }
    }
}
