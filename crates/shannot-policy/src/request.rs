//! What a caller asks: a profile by name and one or more commands joined by pipes.
//!
//! A request carries no decision and no path of the caller's own machine. It is what travels
//! over a network; the far side authorizes it again.

use std::fmt;

use crate::types::{AbsPath, Arg, EnvName, ProfileName, Timeout, TypeError};

/// The most stages one request may join by pipes.
pub const MOST_STAGES: usize = 16;
/// The most bytes all words of one stage may have together. `execve(2)` allows a quarter of the
/// stack limit (2 MiB by default) for words, environment and their pointers.
pub const MOST_ARGV_BYTES: usize = 1 << 20;

/// What a caller asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The profile to be held against.
    pub profile: ProfileName,
    /// The commands, joined by pipes in this order.
    pub stages: Stages,
    /// Where the commands start.
    pub cwd: Cwd,
    /// The caller's wish for a shorter wall-clock limit than the profile's. It never lengthens.
    pub timeout: Option<Timeout>,
    /// The caller's language, time zone and terminal.
    pub locale: Locale,
}

/// Where commands start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cwd {
    /// At `/`.
    #[default]
    Root,
    /// In this directory, or not at all.
    In(AbsPath),
    /// In this directory; at `/` where the box hides it or its user may not enter it.
    InOrRoot(AbsPath),
}

impl Cwd {
    /// The directory, which may be `/`.
    pub fn path(&self) -> AbsPath {
        match self {
            Self::Root => AbsPath::root(),
            Self::In(path) | Self::InOrRoot(path) => path.clone(),
        }
    }
}

impl fmt::Display for Cwd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("/"),
            Self::In(path) => path.fmt(f),
            Self::InOrRoot(path) => write!(f, "{path}, or / where the box cannot enter it"),
        }
    }
}

/// One to [`MOST_STAGES`] command lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stages(Vec<Argv>);

impl Stages {
    /// Checks the number of stages.
    ///
    /// # Errors
    /// [`RequestError::NoCommand`] and [`RequestError::TooManyStages`].
    pub fn new(stages: Vec<Argv>) -> Result<Self, RequestError> {
        match stages.len() {
            0 => Err(RequestError::NoCommand),
            1..=MOST_STAGES => Ok(Self(stages)),
            n => Err(RequestError::TooManyStages(n)),
        }
    }

    /// The command lines in the order of the pipe.
    pub fn as_slice(&self) -> &[Argv] {
        &self.0
    }
}

/// One command line: a program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argv {
    /// What to run.
    pub program: Program,
    /// Its arguments, without the program's own name.
    pub args: Vec<Arg>,
}

impl Argv {
    /// Reads a command line from its words, the first being the program.
    ///
    /// # Errors
    /// No words, a word `execve(2)` cannot carry, too many bytes, or a program that is neither a
    /// bare name nor an absolute path.
    pub fn from_words<W: Into<Vec<u8>>>(
        words: impl IntoIterator<Item = W>,
    ) -> Result<Self, RequestError> {
        let mut words = words.into_iter().map(Into::into);
        let program = Program::new(words.next().ok_or(RequestError::NoCommand)?)?;
        let args = words.map(Arg::new).collect::<Result<Vec<_>, _>>()?;
        let bytes: usize = args.iter().map(|a| a.as_bytes().len() + 1).sum();
        if bytes > MOST_ARGV_BYTES {
            return Err(RequestError::TooLong(bytes));
        }
        Ok(Self { program, args })
    }
}

/// The program of a stage, as the caller named it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Program {
    /// A name without a slash, looked up along the box's `PATH`, inside the box.
    Bare(String),
    /// An absolute path inside the box.
    Absolute(AbsPath),
}

impl Program {
    /// Reads a program's name.
    ///
    /// # Errors
    /// [`RequestError::Program`] for an empty name, a relative path, or bytes that are not UTF-8
    /// (no profile can name such a program).
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, RequestError> {
        let bytes = bytes.into();
        let bad = |why| RequestError::Program { program: bytes.escape_ascii().to_string(), why };
        if bytes.is_empty() {
            return Err(bad("it is empty"));
        }
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(bad("it is not UTF-8, so no profile can allow it"));
        };
        if text.contains('\0') {
            return Err(bad("it contains a NUL byte"));
        }
        if text.starts_with('/') {
            return AbsPath::new(text)
                .map(Self::Absolute)
                .map_err(|_| bad("its path contains a `.`, `..` or empty component"));
        }
        if text.contains('/') {
            return Err(bad(
                "a relative path means nothing in the box; give a bare name or an absolute path",
            ));
        }
        if matches!(text, "." | "..") {
            return Err(bad("it is a directory"));
        }
        Ok(Self::Bare(text.to_owned()))
    }
}

impl std::str::FromStr for Program {
    type Err = RequestError;
    fn from_str(text: &str) -> Result<Self, RequestError> {
        Self::new(text)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(name) => f.write_str(name),
            Self::Absolute(path) => path.fmt(f),
        }
    }
}

/// The few variables a caller may set, each checked: `LANG`, `LANGUAGE`, `LC_*`, `TZ`, `TERM`,
/// `COLUMNS` and `LINES`.
///
/// Everything else in the box's environment comes from the profile. Values are short and
/// plain, because several C libraries open files named by them: a path in `TZ` or `LANG` would
/// let a caller choose what a program reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locale(Vec<(EnvName, String)>);

impl Locale {
    /// The variables that mean something to programs, `locale(7)`, `tzset(3)`, `terminfo(5)`.
    pub const NAMES: [&str; 19] = [
        "LANG",
        "LANGUAGE",
        "LC_ADDRESS",
        "LC_ALL",
        "LC_COLLATE",
        "LC_CTYPE",
        "LC_IDENTIFICATION",
        "LC_MEASUREMENT",
        "LC_MESSAGES",
        "LC_MONETARY",
        "LC_NAME",
        "LC_NUMERIC",
        "LC_PAPER",
        "LC_TELEPHONE",
        "LC_TIME",
        "TZ",
        "TERM",
        "COLUMNS",
        "LINES",
    ];

    /// Keeps from `variables` those that a caller may set and whose value is plain, and drops
    /// the rest. A later variable of the same name replaces the earlier.
    pub fn from_env<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut kept: Vec<(EnvName, String)> = Vec::new();
        for (name, value) in variables {
            if !is_plain(name, value) {
                continue;
            }
            let Ok(env_name) = name.parse::<EnvName>() else { continue };
            kept.retain(|(n, _)| *n != env_name);
            kept.push((env_name, value.to_owned()));
        }
        Self(kept)
    }

    /// The variables that were kept.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

fn is_plain(name: &str, value: &str) -> bool {
    let all = |extra: &[u8]| {
        (1..=64).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b))
    };
    match name {
        // As it would be printed: without a sign, or any number of zeros, before it.
        "COLUMNS" | "LINES" => value.parse::<u16>().is_ok_and(|n| n > 0 && n.to_string() == value),
        "LANG" | "LANGUAGE" => all(b"_.@-:"),
        // "Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3": no leading slash or colon, no dot-dot.
        "TZ" => all(b"_+-/,.") && !value.starts_with('/') && !value.contains(".."),
        "TERM" => all(b"-.+_") && !value.starts_with('.'),
        _ => name.starts_with("LC_") && all(b"_.@-"),
    }
}

/// Why a request could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No words at all.
    #[error("no command given")]
    NoCommand,
    /// More stages than [`MOST_STAGES`].
    #[error("{0} stages are more than the {MOST_STAGES} that one request may join by pipes")]
    TooManyStages(usize),
    /// More bytes of arguments than [`MOST_ARGV_BYTES`].
    #[error("{0} bytes of arguments are more than the {MOST_ARGV_BYTES} that one command may have")]
    TooLong(usize),
    /// A program that is neither a bare name nor an absolute path.
    #[error("cannot run the program `{program}`: {why}")]
    Program {
        /// The name as given, escaped.
        program: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A word that cannot be passed on.
    #[error(transparent)]
    Word(#[from] TypeError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_the_window_are_plain_numbers() {
        let zeros = format!("{}80", "0".repeat(70));
        for (value, kept) in
            [("80", 1), ("65535", 1), ("0", 0), ("+80", 0), ("080", 0), (&zeros, 0)]
        {
            let locale = Locale::from_env([("COLUMNS", value), ("LINES", "x")]);
            assert_eq!(locale.iter().count(), kept, "{value}");
        }
    }
}
