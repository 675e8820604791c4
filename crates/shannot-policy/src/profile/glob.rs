//! Patterns for words and for paths. Matching is iterative and takes at most the product of both
//! lengths; nothing here touches a file system.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest word pattern, in characters.
pub const LONGEST_PATTERN: usize = 256;
/// The most components that a path pattern may have.
pub const MOST_COMPONENTS: usize = 16;

/// Why a pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// `{a,b}`, which would silently match nothing.
    #[error("braces are not expanded in `{0}`: write one pattern for each, or `\\{{` for a brace")]
    Brace(String),
    /// A `[` that is not closed, is empty, or holds a reversed range, a `[:class:]` or `[^…]`.
    #[error("the bracket in `{0}` is not right: write `[abc]`, `[a-z]` or `[!a-z]`")]
    Bracket(String),
    /// A path component longer than file systems allow.
    #[error("a component of `{0}` is longer than 255 bytes")]
    Component(String),
    /// `**` in a path.
    #[error(
        "`**` in `{0}` cannot be enforced: the kernel hides paths, not names; spell the depth out as `*/*`"
    )]
    DoubleStar(String),
    /// A `\` with nothing after it.
    #[error("`{0}` ends in the middle of an escape")]
    Escape(String),
    /// A NUL byte, which no word or path can contain.
    #[error("the pattern contains a NUL byte")]
    Nul,
    /// A path that starts neither with `/` nor with `~/`.
    #[error("`{0}` starts neither with `/` nor with `~/`")]
    NotAnchored(String),
    /// A `.`, `..` or empty component.
    #[error("`{0}` contains a `.`, `..` or empty component")]
    NotNormal(String),
    /// `/` itself.
    #[error("`/` is the whole tree")]
    Root,
    /// `**` before the end of a sequence of words.
    #[error("`**` may only be the last word of `{0}`")]
    RestNotLast(String),
    /// More than [`LONGEST_PATTERN`] characters.
    #[error("a pattern of {0} characters is longer than {LONGEST_PATTERN}")]
    TooLong(usize),
    /// More than [`MOST_COMPONENTS`] components.
    #[error("`{0}` has more than {MOST_COMPONENTS} components")]
    TooDeep(String),
}

/// A pattern for one word: `*` any characters, also none and also `/`; `?` one character;
/// `[abc]`, `[a-z]`, `[!a-z]` one character of a set; `\` takes the next character as it is.
///
/// A pattern matches the whole word or not at all.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob {
    source: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Many,
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::One | Self::Many => true,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

impl Glob {
    /// Whether the pattern matches the whole of `text`.
    pub fn matches(&self, text: &str) -> bool {
        let mut tokens = self.tokens.as_slice();
        let mut rest = text.chars();
        // Where to go on when a later token fails: behind the last `*`, one character further.
        // Only the last `*` need ever be widened, which is what keeps this from exploding.
        let mut retry = None;
        loop {
            if let [Token::Many, after @ ..] = tokens {
                tokens = after;
                retry = Some((after, rest.clone()));
                continue;
            }
            match (tokens, rest.next()) {
                ([], None) => return true,
                // Widening a `*` only leaves less text for the tokens that still want some.
                (_, None) => return false,
                ([token, after @ ..], Some(c)) if token.takes(c) => tokens = after,
                (_, Some(_)) => {
                    let Some((after, wider)) = &mut retry else {
                        return false;
                    };
                    wider.next();
                    tokens = after;
                    rest = wider.clone();
                }
            }
        }
    }

    /// The text that the pattern stands for, if it stands for exactly one.
    pub fn literal(&self) -> Option<String> {
        self.tokens.iter().map(|t| if let Token::Char(c) = t { Some(*c) } else { None }).collect()
    }

    /// The characters that every matching text starts with.
    pub(crate) fn prefix(&self) -> String {
        self.tokens
            .iter()
            .map_while(|t| if let Token::Char(c) = t { Some(*c) } else { None })
            .collect()
    }

    /// The text the pattern was read from.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The text that every match has, in order; `None` stands for any characters between. Whatever
    /// reads patterns of another kind can look for all of this, and have what it finds matched here.
    pub fn runs(&self) -> Vec<Option<String>> {
        let mut runs: Vec<Option<String>> = Vec::new();
        for token in &self.tokens {
            match (token, runs.last_mut()) {
                (Token::Char(c), Some(Some(run))) => run.push(*c),
                (Token::Char(c), _) => runs.push(Some(c.to_string())),
                (_, Some(None)) => {}
                (_, _) => runs.push(None),
            }
        }
        runs
    }
}

impl FromStr for Glob {
    type Err = PatternError;

    fn from_str(source: &str) -> Result<Self, PatternError> {
        let length = source.chars().count();
        if length > LONGEST_PATTERN {
            return Err(PatternError::TooLong(length));
        }
        if source.contains('\0') {
            return Err(PatternError::Nul);
        }
        let mut tokens = Vec::with_capacity(length);
        let mut rest = source.chars();
        while let Some(c) = rest.next() {
            tokens.push(match c {
                '*' if tokens.last() == Some(&Token::Many) => continue,
                '*' => Token::Many,
                '?' => Token::One,
                '[' => {
                    read_set(&mut rest).ok_or_else(|| PatternError::Bracket(source.to_owned()))?
                }
                '\\' => {
                    Token::Char(rest.next().ok_or_else(|| PatternError::Escape(source.to_owned()))?)
                }
                c => Token::Char(c),
            });
        }
        Ok(Self { source: source.to_owned(), tokens })
    }
}

/// Reads a set after its `[`. As in a shell, a `]` that comes first is a member.
///
/// `[^…]` means negation to some shells and a member to others, and `[:alpha:]` depends on a
/// locale: a policy must not depend on which was meant, so both are refused.
fn read_set(rest: &mut std::str::Chars<'_>) -> Option<Token> {
    let mut ranges = Vec::new();
    let mut negated = false;
    if rest.as_str().starts_with('!') {
        rest.next();
        negated = true;
    }
    if rest.as_str().starts_with('^') {
        return None;
    }
    loop {
        let low = match rest.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Set { negated, ranges }),
            '[' if rest.as_str().starts_with([':', '.', '=']) => return None,
            '\\' => rest.next()?,
            c => c,
        };
        let mut ahead = rest.clone();
        let high = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(']')) | (Some(_) | None, None) => low,
            (Some('-'), Some(end)) => {
                let end = if end == '\\' { ahead.next()? } else { end };
                *rest = ahead;
                end
            }
            _ => low,
        };
        if high < low {
            return None;
        }
        ranges.push((low, high));
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.source)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// A pattern for paths: absolute or below `~/`, each component a [`Glob`] of its own, so that
/// an engine can expand it by reading directories.
///
/// Unlike in a shell, `*` also matches names that start with a dot: these patterns hide things,
/// and `/srv/*` must not leave `/srv/.secret` in sight. Braces and `**` are refused because they
/// would hide less than they say.
///
/// A profile has hundreds, read at every start and passed from profile to plan: a clone shares,
/// and what has no wildcard is kept as it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct PathPattern {
    source: Arc<str>,
    anchor: Anchor,
    /// None where every component is the name that it is written as.
    components: Option<Arc<[Component]>>,
}

/// What a [`PathPattern`] starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The home directory of the user who runs.
    Home,
    /// `/`.
    Root,
}

/// One component of a [`PathPattern`]; it never contains a `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Component {
    /// Every name that matches.
    Glob(Glob),
    /// This name.
    Literal(String),
}

impl Component {
    /// Whether a directory entry of this name is meant. Bytes that are not UTF-8 count as one
    /// unknown character; `.` and `..` are never meant.
    pub fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Glob(glob) => {
                !matches!(name, b"." | b"..") && glob.matches(&String::from_utf8_lossy(name))
            }
            Self::Literal(own) => own.as_bytes() == name,
        }
    }
}

impl PathPattern {
    /// The pattern that means this path alone.
    ///
    /// # Errors
    /// `/`, a path deeper than [`MOST_COMPONENTS`], or one with a name that is too long.
    pub fn literal(path: &crate::types::AbsPath) -> Result<Self, PatternError> {
        let mut source = String::new();
        for c in path.to_string().chars() {
            if matches!(c, '*' | '?' | '[' | '{' | '\\') {
                source.push('\\');
            }
            source.push(c);
        }
        source.parse()
    }

    /// What the pattern starts from.
    pub fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// The path below the anchor, without a slash at its start, if the pattern means one path
    /// alone and is written as it.
    pub fn plain(&self) -> Option<&str> {
        self.components.is_none().then(|| below_anchor(&self.source).1.unwrap_or_default())
    }

    /// The components below the anchor, at most [`MOST_COMPONENTS`]. None of them for `~`.
    pub fn components(&self) -> Cow<'_, [Component]> {
        match (&self.components, self.plain()) {
            (Some(components), _) => Cow::Borrowed(components),
            (None, None | Some("")) => Cow::Borrowed(&[]),
            (None, Some(path)) => {
                path.split('/').map(|name| Component::Literal(name.to_owned())).collect()
            }
        }
    }

    /// The text the pattern was read from.
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl FromStr for PathPattern {
    type Err = PatternError;

    fn from_str(source: &str) -> Result<Self, PatternError> {
        let shown = || source.to_owned();
        let (anchor, below) = below_anchor(source);
        let below = match below {
            None if source == "~" => "",
            None => return Err(PatternError::NotAnchored(shown())),
            Some("") if anchor == Anchor::Root => return Err(PatternError::Root),
            Some("") => return Err(PatternError::NotNormal(shown())),
            Some(below) => below,
        };
        let depth = if below.is_empty() { Some(0) } else { plain_depth(below) };
        if depth.unwrap_or_else(|| below.split('/').count()) > MOST_COMPONENTS {
            return Err(PatternError::TooDeep(shown()));
        }
        let components = match depth {
            Some(_) => None,
            None => Some(
                below.split('/').map(|c| read_component(c, source)).collect::<Result<_, _>>()?,
            ),
        };
        Ok(Self { source: source.into(), anchor, components })
    }
}

/// The anchor, and what follows it and its slash; nothing follows `~` alone.
fn below_anchor(source: &str) -> (Anchor, Option<&str>) {
    match source.strip_prefix('~') {
        Some(below) => (Anchor::Home, below.strip_prefix('/')),
        None => (Anchor::Root, source.strip_prefix('/')),
    }
}

/// `NAME_MAX`.
const LONGEST_NAME: usize = 255;

/// How many components a path has, if each is the name that it is written as. Nearly every
/// pattern is, and a profile has hundreds.
fn plain_depth(path: &str) -> Option<usize> {
    let mut depth = 0;
    let mut name_starts = 0;
    let mut end_name = |at: usize| {
        let name = path.get(name_starts..at)?;
        name_starts = at + 1;
        depth += 1;
        (!matches!(name, "" | "." | "..") && name.len() <= LONGEST_NAME).then_some(depth)
    };
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'/' => {
                end_name(at)?;
            }
            b'*' | b'?' | b'[' | b'\\' | b'{' | b'\0' => return None,
            _ => {}
        }
    }
    end_name(path.len())
}

fn read_component(text: &str, source: &str) -> Result<Component, PatternError> {
    let shown = || source.to_owned();
    // A bracket that spans a `/` arrives here cut in two and is refused as not closed.
    let glob: Glob = text.parse().map_err(|error| match error {
        PatternError::Bracket(_) => PatternError::Bracket(shown()),
        PatternError::Escape(_) => PatternError::Escape(shown()),
        PatternError::TooLong(_) => PatternError::Component(shown()),
        other => other,
    })?;
    let literal = glob.literal();
    if matches!(literal.as_deref(), Some("" | "." | "..")) {
        return Err(PatternError::NotNormal(shown()));
    }
    if text.replace("\\\\", "").replace("\\*", "").contains("**") {
        return Err(PatternError::DoubleStar(shown()));
    }
    if text.replace("\\\\", "").replace("\\{", "").contains('{') {
        return Err(PatternError::Brace(shown()));
    }
    if literal.as_ref().is_some_and(|l| l.len() > LONGEST_NAME) {
        return Err(PatternError::Component(shown()));
    }
    Ok(literal.map_or(Component::Glob(glob), Component::Literal))
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.source)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(pattern: &str) -> Glob {
        pattern.parse().unwrap()
    }

    #[test]
    fn globs_match_whole_words() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a/b\nc", true),
            ("***", "x", true),
            ("a*", "ba", false),
            ("*a", "aaab", false),
            ("*a", "aaa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            ("?", "ä", true),
            ("?", "", false),
            ("??", "a", false),
            ("[abc]x", "bx", true),
            ("[abc]x", "dx", false),
            ("[!a-c]", "d", true),
            ("[!a-c]", "b", false),
            ("[!a-c]", "", false),
            ("[]]", "]", true),
            ("[!]]", "]", false),
            ("[a-]", "-", true),
            ("[-a]", "-", true),
            ("[a\\]]", "]", true),
            ("[\\a-c]", "b", true),
            ("[*?]", "*", true),
            ("[*?]", "x", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("\\\\", "\\", true),
            ("^", "^", true),
            ("{a,b}", "a", false),
            ("/usr/bin/*", "/usr/bin/a/b", true),
            ("*.service", "nginx.service", true),
            ("*\u{fffd}*", "a\u{fffd}b", true),
        ] {
            assert_eq!(glob(pattern).matches(text), expected, "{pattern} against {text:?}");
        }
    }

    #[test]
    fn many_stars_against_a_long_word_end_soon() {
        let pattern = glob(&"*a".repeat(100));
        let text = format!("{}b", "a".repeat(131_000));
        let started = std::time::Instant::now();
        assert!(!pattern.matches(&text));
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
    }

    #[test]
    fn broken_globs_are_refused() {
        for bad in ["[", "[]", "[!", "[!]", "[a", "[a-", "[z-a]", "[^a]", "[!^a]", "[[:alpha:]]"] {
            assert_eq!(bad.parse::<Glob>(), Err(PatternError::Bracket(bad.into())), "{bad}");
        }
        for bad in ["\\", "a\\", "\\\\\\"] {
            assert_eq!(bad.parse::<Glob>(), Err(PatternError::Escape(bad.into())), "{bad}");
        }
        assert_eq!("a\0".parse::<Glob>(), Err(PatternError::Nul));
        assert_eq!("x".repeat(257).parse::<Glob>(), Err(PatternError::TooLong(257)));
    }

    #[test]
    fn what_has_no_wildcard_is_plain() {
        for (pattern, plain) in [
            ("/etc/shadow", Some("etc/shadow")),
            ("~/.ssh", Some(".ssh")),
            ("~", Some("")),
            ("/etc/*.conf", None),
            ("/srv/\\*", None),
        ] {
            assert_eq!(pattern.parse::<PathPattern>().unwrap().plain(), plain, "{pattern}");
        }
    }

    #[test]
    fn path_patterns_are_split_into_components() {
        let pattern: PathPattern = "/etc/ssh/ssh_host_*_key".parse().unwrap();
        assert_eq!(pattern.anchor(), Anchor::Root);
        assert_eq!(pattern.components()[1], Component::Literal("ssh".into()));
        assert!(pattern.components()[2].matches(b"ssh_host_rsa_key"));
        assert!(!pattern.components()[2].matches(b"ssh_host_rsa_key.pub"));
        assert_eq!(pattern.to_string(), "/etc/ssh/ssh_host_*_key");

        let home: PathPattern = "~/.*_history".parse().unwrap();
        assert_eq!((home.anchor(), home.components().len()), (Anchor::Home, 1));
        assert!(home.components()[0].matches(b".bash_history"));
        assert_eq!(*"~".parse::<PathPattern>().unwrap().components(), []);
    }

    #[test]
    fn a_star_in_a_path_matches_hidden_and_undecodable_names_but_not_dots() {
        let pattern: PathPattern = "/srv/*".parse().unwrap();
        let any = &pattern.components()[1];
        assert!(any.matches(b".secret") && any.matches(b"\xff\xfe"));
        assert!(!any.matches(b".") && !any.matches(b".."));
        let escaped: PathPattern = "/srv/\\*\\{".parse().unwrap();
        assert_eq!(escaped.components()[1], Component::Literal("*{".into()));
    }

    #[test]
    fn path_patterns_that_no_kernel_layer_can_hold_are_refused() {
        use PatternError as E;
        let shown = |text: &str| text.to_owned();
        for (bad, error) in [
            ("", E::NotAnchored(shown(""))),
            ("etc", E::NotAnchored(shown("etc"))),
            ("~root/.ssh", E::NotAnchored(shown("~root/.ssh"))),
            ("$HOME/x", E::NotAnchored(shown("$HOME/x"))),
            ("/", E::Root),
            ("~/", E::NotNormal(shown("~/"))),
            ("//etc", E::NotNormal(shown("//etc"))),
            ("/etc/", E::NotNormal(shown("/etc/"))),
            ("/etc/../root", E::NotNormal(shown("/etc/../root"))),
            ("/etc/\\./x", E::NotNormal(shown("/etc/\\./x"))),
            ("/srv/**/key", E::DoubleStar(shown("/srv/**/key"))),
            ("/srv/a**", E::DoubleStar(shown("/srv/a**"))),
            ("/srv/{a,b}", E::Brace(shown("/srv/{a,b}"))),
            ("/srv/[a/b]", E::Bracket(shown("/srv/[a/b]"))),
            ("/a\0", E::Nul),
        ] {
            assert_eq!(bad.parse::<PathPattern>(), Err(error), "{bad}");
        }
        assert!(matches!("/a".repeat(17).parse::<PathPattern>(), Err(E::TooDeep(_))));
        assert!("/a".repeat(16).parse::<PathPattern>().is_ok());
    }

    #[test]
    fn every_default_hide_is_a_pattern() {
        for hide in super::super::HIDDEN_BY_DEFAULT {
            assert!(hide.parse::<PathPattern>().is_ok(), "{hide}");
        }
    }
}
