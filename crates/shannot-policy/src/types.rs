//! Words and paths that were checked once: holding the type is the proof.
//!
//! Nothing here touches a file system. A path is a path *inside the box*, which shows the
//! host's own tree.

use std::fmt;
use std::str::FromStr;

/// The longest word `execve(2)` accepts, without its NUL: `MAX_ARG_STRLEN` (32 pages) less one.
pub const LONGEST_ARG: usize = 32 * 4096 - 1;

/// Why a word, name, path or size was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypeError {
    /// `execve(2)` ends every word at its first NUL byte.
    #[error("the word `{0}` contains a NUL byte")]
    Nul(String),
    /// The kernel would answer `E2BIG`.
    #[error("a word of {0} bytes is longer than the kernel's limit of {LONGEST_ARG} bytes")]
    TooLong(usize),
    /// An empty string where a name is needed.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A path that does not start with `/`.
    #[error("the path `{0}` is not absolute")]
    NotAbsolute(String),
    /// A path with a `.`, `..` or empty component.
    #[error("the path `{0}` contains a `.`, `..` or empty component")]
    NotNormal(String),
    /// A profile name with a character outside `a-z 0-9 - _ .`.
    #[error(
        "`{0}` is not a profile name: use 1 to 64 of a-z, 0-9, `-`, `_` and `.`, starting with a letter or digit"
    )]
    ProfileName(String),
    /// An environment variable's name with a character outside `A-Z a-z 0-9 _`.
    #[error("`{0}` is not a name for an environment variable")]
    EnvName(String),
    /// A size that could not be read.
    #[error("`{0}` is not a size: write for example `64MiB`, `512KiB` or `1GiB`")]
    ByteSize(String),
    /// A duration that could not be read, or is zero or longer than a day.
    #[error("`{0}` is not a duration from 1ms to 24h: write for example `500ms`, `30s` or `5m`")]
    Duration(String),
}

/// One word of a command line: any bytes but NUL, at most [`LONGEST_ARG`] of them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arg(Vec<u8>);

impl Arg {
    /// Checks one word.
    ///
    /// # Errors
    /// [`TypeError::Nul`] and [`TypeError::TooLong`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, TypeError> {
        let bytes = bytes.into();
        if bytes.contains(&0) {
            return Err(TypeError::Nul(bytes.escape_ascii().to_string()));
        }
        if bytes.len() > LONGEST_ARG {
            return Err(TypeError::TooLong(bytes.len()));
        }
        Ok(Self(bytes))
    }

    /// The word's bytes, without a NUL at the end.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The word for matching against a rule: bytes that are not UTF-8 become U+FFFD, which no
    /// pattern contains.
    pub fn lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl fmt::Debug for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0.escape_ascii())
    }
}

impl FromStr for Arg {
    type Err = TypeError;
    fn from_str(s: &str) -> Result<Self, TypeError> {
        Self::new(s)
    }
}

/// An absolute path without `.`, `..`, empty components or NUL, and without a slash at its end.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AbsPath(Vec<u8>);

impl AbsPath {
    /// Checks a path; a single slash at the end is dropped.
    ///
    /// # Errors
    /// [`TypeError::Nul`], [`TypeError::NotAbsolute`], [`TypeError::NotNormal`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, TypeError> {
        let mut bytes = Arg::new(bytes)?.0;
        let shown = || String::from_utf8_lossy(&bytes).into_owned();
        let Some(rest) = bytes.strip_prefix(b"/") else {
            return Err(TypeError::NotAbsolute(shown()));
        };
        if rest.is_empty() {
            return Ok(Self(bytes));
        }
        let rest = rest.strip_suffix(b"/").unwrap_or(rest);
        if rest.split(|b| *b == b'/').any(|c| matches!(c, b"" | b"." | b"..")) {
            return Err(TypeError::NotNormal(shown()));
        }
        let len = rest.len() + 1;
        bytes.truncate(len);
        Ok(Self(bytes))
    }

    /// `/`.
    pub fn root() -> Self {
        Self(b"/".to_vec())
    }

    /// The path's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this path is `other` or lies below it, component by component (`/home2` does not
    /// lie below `/home`).
    pub fn is_within(&self, other: &AbsPath) -> bool {
        other.0 == b"/"
            || self.0.strip_prefix(other.0.as_slice()).is_some_and(|r| r.is_empty() || r[0] == b'/')
    }

    /// The last component; empty for `/`.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or_default()
    }

    /// All but the last component; `/` for `/` itself.
    pub fn parent(&self) -> AbsPath {
        match self.0.iter().rposition(|b| *b == b'/') {
            None | Some(0) => Self(b"/".to_vec()),
            Some(at) => Self(self.0[..at].to_vec()),
        }
    }
}

impl fmt::Debug for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl fmt::Display for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl FromStr for AbsPath {
    type Err = TypeError;
    fn from_str(s: &str) -> Result<Self, TypeError> {
        Self::new(s)
    }
}

/// A profile's name: 1 to 64 of `a-z 0-9 - _ .`, starting with a letter or digit, so that it is
/// also a file name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileName(String);

impl ProfileName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProfileName {
    type Err = TypeError;
    fn from_str(s: &str) -> Result<Self, TypeError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let ok = s.len() <= 64
            && s.bytes().next().is_some_and(plain)
            && s.bytes().all(|b| plain(b) || b"-_.".contains(&b));
        if ok { Ok(Self(s.to_owned())) } else { Err(TypeError::ProfileName(s.to_owned())) }
    }
}

/// The name of an environment variable, as POSIX has it: letters, digits and `_`, no digit first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvName(String);

impl EnvName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvName {
    type Err = TypeError;
    fn from_str(s: &str) -> Result<Self, TypeError> {
        let ok = s.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if ok { Ok(Self(s.to_owned())) } else { Err(TypeError::EnvName(s.to_owned())) }
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// `n` MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, unit) = match self.0 {
            n if n > 0 && n % (1 << 30) == 0 => (n >> 30, "GiB"),
            n if n > 0 && n % (1 << 20) == 0 => (n >> 20, "MiB"),
            n if n > 0 && n % (1 << 10) == 0 => (n >> 10, "KiB"),
            n => (n, "B"),
        };
        write!(f, "{n}{unit}")
    }
}

impl FromStr for ByteSize {
    type Err = TypeError;
    fn from_str(s: &str) -> Result<Self, TypeError> {
        let bad = || TypeError::ByteSize(s.to_owned());
        let digits = s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let n: u64 = s[..digits].parse().map_err(|_| bad())?;
        let unit: u64 = match s[digits..].trim_start() {
            "" | "B" => 1,
            "K" | "KiB" => 1 << 10,
            "M" | "MiB" => 1 << 20,
            "G" | "GiB" => 1 << 30,
            _ => return Err(bad()),
        };
        n.checked_mul(unit).map(Self).ok_or_else(bad)
    }
}

/// A wall-clock or CPU limit: from one millisecond to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timeout(std::time::Duration);

impl Timeout {
    /// `n` seconds, for defaults.
    ///
    /// # Panics
    /// If `n` is not from 1 to 86,400.
    pub const fn secs(n: u64) -> Self {
        assert!(n > 0 && n <= 86_400);
        Self(std::time::Duration::from_secs(n))
    }

    /// The limit as a duration.
    pub fn as_duration(self) -> std::time::Duration {
        self.0
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms if ms % 3_600_000 == 0 => write!(f, "{}h", ms / 3_600_000),
            ms if ms % 60_000 == 0 => write!(f, "{}m", ms / 60_000),
            ms if ms % 1000 == 0 => write!(f, "{}s", ms / 1000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

impl FromStr for Timeout {
    type Err = TypeError;
    fn from_str(s: &str) -> Result<Self, TypeError> {
        let bad = || TypeError::Duration(s.to_owned());
        let digits = s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
        let n: u64 = s[..digits].parse().map_err(|_| bad())?;
        let unit_ms: u64 = match s[digits..].trim_start() {
            "ms" => 1,
            "" | "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(bad()),
        };
        match n.checked_mul(unit_ms) {
            Some(ms @ 1..=86_400_000) => Ok(Self(std::time::Duration::from_millis(ms))),
            _ => Err(bad()),
        }
    }
}
