//! One entry of a profile's `[commands]`: which program, how its arguments are read, and the
//! rules they are held against.
//!
//! Rules are a courtesy to callers: an early refusal that says why. They are not the boundary.
//! What a program does with its arguments is the program's business, and the kernel's box holds
//! whatever it does. Where reading arguments leaves a doubt, the answer is no.

use std::fmt;
use std::str::FromStr;

use super::glob::{Glob, PatternError};
use crate::request::{Argv, Program, RequestError};
use crate::types::AbsPath;

/// Where the box looks for a bare name, in this order, whatever `env.PATH` says.
pub const BOX_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Which programs this entry is for: the key in `[commands]`.
    pub pattern: CommandPattern,
    /// One line on what the command is for.
    pub about: String,
    /// The program that a bare name stands for, where it must not be looked up in [`BOX_PATH`].
    pub program: Option<AbsPath>,
    /// How arguments are told apart.
    pub syntax: Syntax,
    /// Options that always take a value: the rest of the word, or else the next word.
    ///
    /// An option whose value may be left out (`--color[=WHEN]`) does not belong here: it never
    /// takes the next word, and what it is thought to take is not held against the rules.
    pub valued: Vec<OptionName>,
    /// Options that never take the next word. An option that a rule names and `valued` does not
    /// is one of these too; any other is taken both ways, and each has to pass.
    pub flags: Vec<OptionName>,
    /// Other programs that this one may start.
    pub spawns: Vec<Program>,
    /// Whether the program may make processes of itself without executing another.
    pub forks: bool,
    /// Whether the program reads the kernel's log.
    pub kernel_log: bool,
    /// All of these must pass. They are tried in this order.
    pub rules: Vec<Rule>,
}

impl Command {
    /// Whether this entry is for `program`.
    ///
    /// A bare name is also meant by an absolute path in one of the directories of [`BOX_PATH`],
    /// or, where `program` is stated, by that path alone.
    pub fn is_for(&self, program: &Program) -> bool {
        match (&self.pattern, program) {
            (CommandPattern::Bare(own), Program::Bare(name)) => own == name,
            (CommandPattern::Bare(own), Program::Absolute(path)) => match &self.program {
                Some(stated) => stated == path,
                None => path.file_name() == own.as_bytes() && is_on_box_path(path),
            },
            (CommandPattern::Absolute(own), Program::Absolute(path)) => own == path,
            (CommandPattern::Absolute(_), Program::Bare(_)) => false,
            (CommandPattern::Glob(glob), Program::Bare(name)) => glob.matches(name),
            (CommandPattern::Glob(glob), Program::Absolute(path)) => {
                std::str::from_utf8(path.as_bytes()).is_ok_and(|path| glob.matches(path))
            }
        }
    }

    /// Whether this entry would be for some program of `gone`, were that no longer there. It errs
    /// on the side of yes.
    pub(crate) fn takes_over(&self, gone: &Self) -> bool {
        self.pattern.order() > gone.pattern.order() && self.overlaps(gone)
    }

    fn overlaps(&self, other: &Self) -> bool {
        use CommandPattern as P;
        match (&self.pattern, &other.pattern) {
            (P::Glob(one), P::Glob(two)) => {
                let (one, two) = (one.prefix(), two.prefix());
                one.starts_with(&two) || two.starts_with(&one)
            }
            (P::Glob(_), P::Bare(_) | P::Absolute(_)) => {
                other.programs().iter().any(|p| self.is_for(p))
            }
            (P::Bare(_) | P::Absolute(_), P::Glob(_) | P::Bare(_) | P::Absolute(_)) => {
                self.programs().iter().any(|p| other.is_for(p))
            }
        }
    }

    /// Every program that is meant by an entry that is no glob.
    fn programs(&self) -> Vec<Program> {
        match &self.pattern {
            CommandPattern::Bare(name) => {
                let found = BOX_PATH.split(':').filter(|_| self.program.is_none());
                let found = found.filter_map(|dir| AbsPath::new(format!("{dir}/{name}")).ok());
                let absolute = found.chain(self.program.clone()).map(Program::Absolute);
                absolute.chain([Program::Bare(name.clone())]).collect()
            }
            CommandPattern::Absolute(path) => vec![Program::Absolute(path.clone())],
            CommandPattern::Glob(_) => Vec::new(),
        }
    }
}

/// Whether the program lies in one of the directories of [`BOX_PATH`].
pub(super) fn is_on_box_path(path: &AbsPath) -> bool {
    let parent = path.parent();
    BOX_PATH.split(':').any(|dir| dir.as_bytes() == parent.as_bytes())
}

/// Which programs a [`Command`] is for. Ordered as they are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandPattern {
    /// A name without a slash.
    Bare(String),
    /// One path.
    Absolute(AbsPath),
    /// Every program whose name or path, as the caller wrote it, matches. One that starts with
    /// `/` is only met by callers who write paths.
    Glob(Glob),
}

impl CommandPattern {
    /// The order in which patterns are tried: the exact before the general.
    pub(crate) fn order(&self) -> (u8, String) {
        let group = match self {
            Self::Bare(_) => 0,
            Self::Absolute(_) => 1,
            Self::Glob(_) => 2,
        };
        (group, self.to_string())
    }
}

impl fmt::Display for CommandPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(name) => f.write_str(name),
            Self::Absolute(path) => path.fmt(f),
            Self::Glob(glob) => glob.fmt(f),
        }
    }
}

impl FromStr for CommandPattern {
    type Err = CommandPatternError;

    fn from_str(text: &str) -> Result<Self, CommandPatternError> {
        if text.contains(['*', '?', '[']) {
            if text.contains('/') && !text.starts_with(['/', '*', '?', '[']) {
                return Err(CommandPatternError::Relative(text.to_owned()));
            }
            return Ok(Self::Glob(text.parse()?));
        }
        Ok(match Program::new(text)? {
            Program::Bare(name) => Self::Bare(name),
            Program::Absolute(path) => Self::Absolute(path),
        })
    }
}

/// Why a key of `[commands]` was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandPatternError {
    /// A glob that is not well formed.
    #[error(transparent)]
    Glob(#[from] PatternError),
    /// Neither a bare name nor an absolute path.
    #[error(transparent)]
    Program(#[from] RequestError),
    /// A glob for relative paths, which no request can name.
    #[error("`{0}` matches no program: write a bare name, an absolute path or a glob of either")]
    Relative(String),
}

/// How a program tells options from operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Syntax {
    /// `getopt_long(3)` of GNU: options anywhere before `--`, short ones in clusters (`-abc`),
    /// long ones abbreviated as the caller likes.
    Getopt,
    /// The same, but the first operand ends the options.
    Posix,
    /// Single words that start with a dash (`-exec`), no clusters, no abbreviations, no `--`.
    Find,
    /// No options: every word is an operand.
    Plain,
}

/// An option as a profile names it: `-x`, `--long`, or `-word` where the syntax is `find`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OptionName(String);

impl OptionName {
    /// The option with its dashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The letter of a short option.
    pub fn short(&self) -> Option<char> {
        let mut letters = self.0.chars().skip(1);
        match (letters.next(), letters.next()) {
            (Some(letter), None) => Some(letter),
            _ => None,
        }
    }

    /// Whether a program of this syntax can have this option at all.
    pub(crate) fn fits(&self, syntax: Syntax) -> bool {
        match syntax {
            Syntax::Getopt | Syntax::Posix => self.short().is_some() || self.0.starts_with("--"),
            Syntax::Find => true,
            Syntax::Plain => false,
        }
    }
}

impl FromStr for OptionName {
    type Err = OptionNameError;

    fn from_str(text: &str) -> Result<Self, OptionNameError> {
        let stray = |c: char| c == '=' || c.is_whitespace() || c.is_control() || c == '\u{fffd}';
        let well_formed = text.starts_with('-') && !matches!(text, "-" | "--") && text.len() <= 128;
        if well_formed && !text.contains(stray) {
            Ok(Self(text.to_owned()))
        } else {
            Err(OptionNameError(text.to_owned()))
        }
    }
}

impl fmt::Debug for OptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

impl fmt::Display for OptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A word that is no option's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an option: write `-x` or `--name`, without `=` and its value")]
pub struct OptionNameError(String);

/// What the arguments of a [`Command`] must, or must not, be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The test.
    pub matcher: Matcher,
    /// The reason, as it is told to a caller.
    pub why: String,
    /// 0 for a rule of the profile itself; one more for each profile that tightened it since.
    /// The options that a rule names are known to the rules of its own and later layers.
    pub layer: u8,
    /// Command lines that the whole command authorizes; checked when the profile is loaded.
    pub allow: Vec<Example>,
    /// Command lines that this rule alone denies; checked when the profile is loaded.
    pub deny: Vec<Example>,
}

/// The test of a [`Rule`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matcher {
    /// None but these options, each written in full.
    AllowOptions(Vec<OptionName>),
    /// The operands are one of these.
    AllowOperands(Vec<Operands>),
    /// None of these options, nor an abbreviation of one unless that is itself an option which
    /// the command names.
    DenyOptions(Vec<OptionName>),
    /// The operands are none of these.
    DenyOperands(Vec<Operands>),
    /// No word of the arguments matches one of these, whatever its role.
    DenyWords(Vec<Glob>),
}

impl Matcher {
    /// The options that the test names.
    pub fn options(&self) -> &[OptionName] {
        match self {
            Self::AllowOptions(names) | Self::DenyOptions(names) => names,
            Self::AllowOperands(_) | Self::DenyOperands(_) | Self::DenyWords(_) => &[],
        }
    }
}

/// A pattern for all operands of a command line: one word glob for each, and whether any more
/// may follow. It is written as one string, split at white space; a last `**` stands for any
/// number of operands, also none; the empty string stands for no operands.
#[derive(Clone, PartialEq, Eq)]
pub struct Operands {
    source: String,
    words: Vec<Glob>,
    rest: bool,
}

impl Operands {
    /// The pattern of each operand, in order.
    pub fn words(&self) -> &[Glob] {
        &self.words
    }

    /// Whether any number of other operands may follow.
    pub fn rest(&self) -> bool {
        self.rest
    }

    /// Whether `count` operands are neither too few nor too many.
    pub(crate) fn takes(&self, count: usize) -> bool {
        count == self.words.len() || (self.rest && count > self.words.len())
    }
}

impl FromStr for Operands {
    type Err = PatternError;

    fn from_str(source: &str) -> Result<Self, PatternError> {
        let mut words: Vec<&str> = source.split_whitespace().collect();
        let rest = words.pop_if(|word| *word == "**").is_some();
        if words.contains(&"**") {
            return Err(PatternError::RestNotLast(source.to_owned()));
        }
        let words = words.into_iter().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { source: source.to_owned(), words, rest })
    }
}

impl fmt::Debug for Operands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.source)
    }
}

impl fmt::Display for Operands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// A command line that documents and tests a [`Rule`], written as for a POSIX shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example(String);

impl Example {
    /// Takes a text that is read only when the example is checked.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as the profile has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The command line.
    ///
    /// # Errors
    /// An unclosed quote ([`None`] from the shell's rules) counts as no command; else as
    /// [`Argv::from_words`].
    pub fn argv(&self) -> Result<Argv, RequestError> {
        Argv::from_words(shlex::split(&self.0).ok_or(RequestError::NoCommand)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_names_paths_or_globs() {
        assert_eq!("ls".parse(), Ok(CommandPattern::Bare("ls".into())));
        assert!(matches!("/opt/x".parse(), Ok(CommandPattern::Absolute(_))));
        for glob in ["/usr/bin/*", "systemd-*", "*", "[a-z]*/x"] {
            assert!(matches!(glob.parse(), Ok(CommandPattern::Glob(_))), "{glob}");
        }
        for bad in ["", "bin/ls", "bin/*", "./x", "..", "/usr/../x", "/usr//x", "a\0", "[a"] {
            assert!(bad.parse::<CommandPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn option_names_are_options_without_values() {
        for good in ["-x", "-5", "--long", "-exec", "--a.b_c", "-ä"] {
            assert!(good.parse::<OptionName>().is_ok(), "{good}");
        }
        for bad in ["", "-", "--", "x", "--a=b", "-a b", "-\n", "-\u{fffd}"] {
            assert!(bad.parse::<OptionName>().is_err(), "{bad}");
        }
        let name = |text: &str| text.parse::<OptionName>().unwrap();
        assert_eq!((name("-x").short(), name("-xy").short()), (Some('x'), None));
        assert!(!name("-exec").fits(Syntax::Getopt) && name("-exec").fits(Syntax::Find));
    }

    #[test]
    fn operand_patterns_end_in_a_rest_or_not() {
        let operands = |text: &str| text.parse::<Operands>().unwrap();
        assert!(operands("").takes(0) && !operands("").takes(1));
        assert!(operands("**").takes(0) && operands("**").takes(9));
        assert!(!operands("a b **").takes(1) && operands("a b **").takes(2));
        assert!("** a".parse::<Operands>().is_err());
        assert!("[a".parse::<Operands>().is_err());
    }
}
