//! Holds arguments against the rules of a command.
//!
//! A profile rarely names every option of a program, so where an option that it does not name is
//! followed by a word, that word may be its value or not, and everything behind it reads
//! differently. Both readings are followed, and a rule has to be content with each: an option
//! that a profile forgot must not be a place to hide another one. The readings are merged where
//! they agree, so that the work stays proportional to the arguments.

use std::borrow::Cow;

use super::command::{Command, Matcher, Operands, OptionName, Rule, Syntax};
use crate::types::Arg;

/// The most readings of one command line that are followed; more are more doubt than a
/// diagnostic command needs.
const MOST_READINGS: usize = 64;

/// Why arguments were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offence {
    /// The rule's index in the command's rules.
    pub rule: usize,
    /// The word, or option within a word, that the rule does not let pass. None where a word is
    /// missing.
    pub word: Option<String>,
    /// What the caller can do about it.
    pub hint: Option<String>,
}

impl Command {
    /// Holds arguments against all rules.
    ///
    /// # Errors
    /// The first rule that does not let them pass.
    pub fn check(&self, args: &[Arg]) -> Result<(), Offence> {
        (0..self.rules.len()).try_for_each(|rule| self.check_rule(rule, args))
    }

    /// Holds arguments against the rule of this index alone. There is nothing to break in a rule
    /// that does not exist.
    ///
    /// # Errors
    /// What the rule does not let pass.
    pub fn check_rule(&self, rule: usize, args: &[Arg]) -> Result<(), Offence> {
        let Some(Rule { matcher, layer, .. }) = self.rules.get(rule) else {
            return Ok(());
        };
        let words: Vec<Cow<'_, str>> = args.iter().map(Arg::lossy).collect();
        let reader = Reader { command: self, layer: *layer };
        let found = match matcher {
            Matcher::AllowOptions(names) => reader.find_option(&words, |option| {
                let hint = names.iter().find(|name| option.abbreviates(name));
                // A rule that allows knows one spelling: another might be another option.
                (!names.iter().any(|name| option.is_written_as(name))).then_some(hint)
            }),
            Matcher::DenyOptions(names) => reader.find_option(&words, |option| {
                if let Some(name) = names.iter().find(|name| option.is(name)) {
                    return Some((option.text() != name.as_str()).then_some(name));
                }
                let abbreviated = names.iter().find(|name| option.abbreviates(name))?;
                (!reader.names(option)).then_some(Some(abbreviated))
            }),
            Matcher::AllowOperands(allowed) => reader.find_unlisted_operands(&words, allowed),
            Matcher::DenyOperands(denied) => reader.find_listed_operands(&words, denied),
            Matcher::DenyWords(globs) => {
                let word = words.iter().find(|word| globs.iter().any(|glob| glob.matches(word)));
                word.map(|word| Found::word(word))
            }
        };
        match found {
            None => Ok(()),
            Some(Found { word, hint }) => Err(Offence { rule, word, hint }),
        }
    }
}

/// Tells the words of one command apart, for one rule.
#[derive(Clone, Copy)]
struct Reader<'c> {
    command: &'c Command,
    /// The layer of the rule. What rules of later layers name is not known to it, so that a
    /// rule added by a profile that tightens cannot change what the others see.
    layer: u8,
}

impl Reader<'_> {
    /// The first option, in any reading, that `offends`. The answer may carry the name that the
    /// option was taken for.
    fn find_option<'n>(
        &self,
        words: &[Cow<'_, str>],
        offends: impl Fn(Typed<'_>) -> Option<Option<&'n OptionName>>,
    ) -> Option<Found> {
        let mut found = None;
        let walked = self.walk(words, (), |(), _, role| {
            if let Role::Options(options) = role
                && found.is_none()
            {
                found = options.iter().find_map(|option| {
                    let name = offends(*option)?;
                    let word = shown(&option.text());
                    let hint = name.map(|name| format!("`{word}` can stand for `{name}`"));
                    Some(Found { word: Some(word), hint })
                });
            }
            found.is_none().then_some(())
        });
        match walked {
            Walked::End(_) => None,
            Walked::Stopped(_) => found,
            Walked::Doubtful(word) => Some(Found::doubtful(word)),
        }
    }

    fn find_unlisted_operands(
        &self,
        words: &[Cow<'_, str>],
        allowed: &[Operands],
    ) -> Option<Found> {
        let walked = self.walk(words, Progress::start(allowed), |progress, word, role| {
            let Role::Operand = role else {
                return Some(progress.clone());
            };
            Some(progress.step(allowed, word)).filter(|p| !p.alive.is_empty())
        });
        match walked {
            Walked::Stopped(word) => Some(Found::word(word)),
            Walked::Doubtful(word) => Some(Found::doubtful(word)),
            Walked::End(all) => all
                .iter()
                .any(|progress| progress.matched(allowed).is_none())
                .then_some(Found { word: None, hint: None }),
        }
    }

    fn find_listed_operands(&self, words: &[Cow<'_, str>], denied: &[Operands]) -> Option<Found> {
        let walked = self.walk(words, Progress::start(denied), |progress, word, role| {
            let Role::Operand = role else {
                return Some(progress.clone());
            };
            Some(progress.step(denied, word))
        });
        match walked {
            Walked::Stopped(word) => Some(Found::word(word)),
            Walked::Doubtful(word) => Some(Found::doubtful(word)),
            Walked::End(all) => {
                let pattern = all.iter().find_map(|progress| progress.matched(denied))?;
                let first = pattern.words().first();
                let word = first.and_then(|glob| words.iter().find(|word| glob.matches(word)));
                Some(Found { word: word.map(|word| shown(word)), hint: None })
            }
        }
    }

    /// Follows every reading of `words`, telling `step` each word and its role. A reading in
    /// which `step` answers nothing ends the walk.
    fn walk<'w, P: Clone + PartialEq>(
        &self,
        words: &'w [Cow<'_, str>],
        start: P,
        mut step: impl FnMut(&P, &'w str, Role<'_, 'w>) -> Option<P>,
    ) -> Walked<'w, P> {
        let mut readings = vec![(self.start(), start)];
        for word in words {
            let kind = self.classify(word);
            let mut next: Vec<(State, P)> = Vec::with_capacity(readings.len());
            for (state, progress) in &readings {
                for (role, state) in self.roles(*state, &kind) {
                    let Some(progress) = step(progress, word, role) else {
                        return Walked::Stopped(word);
                    };
                    let reading = (state, progress);
                    if !next.contains(&reading) {
                        next.push(reading);
                    }
                }
            }
            if next.len() > MOST_READINGS {
                return Walked::Doubtful(word);
            }
            readings = next;
        }
        Walked::End(readings.into_iter().map(|(_, progress)| progress).collect())
    }

    fn start(&self) -> State {
        match self.command.syntax {
            Syntax::Getopt | Syntax::Posix | Syntax::Find => State::Open,
            Syntax::Plain => State::Operands,
        }
    }

    /// What a word can be where a reading stands at `state`, and where the reading goes on.
    fn roles<'k, 'w>(
        &self,
        state: State,
        kind: &'k Kind<'w>,
    ) -> impl Iterator<Item = (Role<'k, 'w>, State)> + use<'k, 'w> {
        let ends_options = self.command.syntax == Syntax::Posix;
        let known: Vec<(Role<'k, 'w>, State)> = match (state, kind) {
            (State::Value, _) => vec![(Role::Other, State::Open)],
            (State::Operands, _) => vec![(Role::Operand, State::Operands)],
            (State::Open | State::Doubt, Kind::Terminator) => vec![(Role::Other, State::Operands)],
            (State::Open | State::Doubt, Kind::Operand) => {
                let after = if ends_options { State::Operands } else { State::Open };
                vec![(Role::Operand, after)]
            }
            (State::Open | State::Doubt, Kind::Options(options, after)) => {
                after.iter().map(|after| (Role::Options(options.as_slice()), *after)).collect()
            }
        };
        let as_value = (state == State::Doubt).then_some((Role::Other, State::Open));
        known.into_iter().chain(as_value)
    }

    fn classify<'w>(&self, word: &'w str) -> Kind<'w> {
        match self.command.syntax {
            Syntax::Plain => Kind::Operand,
            _ if word == "-" || !word.starts_with('-') => Kind::Operand,
            Syntax::Find => self.classify_word(word),
            Syntax::Getopt | Syntax::Posix => match word.strip_prefix("--") {
                Some("") => Kind::Terminator,
                Some(_) => self.classify_word(word),
                None => self.classify_cluster(&word[1..]),
            },
        }
    }

    /// An option that takes the whole word but for `=value`.
    fn classify_word<'w>(&self, word: &'w str) -> Kind<'w> {
        let (name, value) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
        let option = match self.command.syntax {
            Syntax::Find => Typed::Word(name),
            Syntax::Getopt | Syntax::Posix | Syntax::Plain => Typed::Long(name),
        };
        let after: &[State] = if value.is_some() {
            &[State::Open]
        } else if self.command.valued.iter().any(|valued| valued.as_str() == name) {
            &[State::Value]
        } else if self.command.valued.iter().any(|valued| option.is(valued)) {
            &[State::Value, State::Doubt]
        } else if self.names(option) {
            &[State::Open]
        } else {
            // Unknown, or an abbreviation of one that is known: nobody can tell.
            &[State::Doubt]
        };
        Kind::Options(vec![option], after)
    }

    /// A cluster of short options, without its dash.
    fn classify_cluster<'w>(&self, letters: &'w str) -> Kind<'w> {
        let mut options = Vec::new();
        let mut after: &[State] = &[State::Open];
        let mut unknown_before = false;
        for (at, letter) in letters.char_indices() {
            let option = Typed::Short(letter);
            options.push(option);
            if self.command.valued.iter().any(|valued| option.is(valued)) {
                let attached = at + letter.len_utf8() < letters.len();
                after = match (attached, unknown_before) {
                    (true, _) => &[State::Open],
                    (false, false) => &[State::Value],
                    // The letter may belong to the value of an unknown one before it.
                    (false, true) => &[State::Value, State::Open],
                };
                break;
            }
            let named = self.names(option);
            unknown_before |= !named;
            after = if named { &[State::Open] } else { &[State::Doubt] };
        }
        Kind::Options(options, after)
    }

    /// Whether the command names exactly this option anywhere.
    fn names(&self, option: Typed<'_>) -> bool {
        let Command { valued, flags, rules, .. } = self.command;
        let rules = rules.iter().filter(|rule| rule.layer <= self.layer);
        let of_rules = rules.flat_map(|rule| rule.matcher.options());
        valued.iter().chain(flags).chain(of_rules).any(|name| option.is_written_as(name))
    }
}

/// Where a reading stands before a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Options and operands may come.
    Open,
    /// The same, or the value of the option before.
    Doubt,
    /// The value of the option before.
    Value,
    /// Nothing but operands.
    Operands,
}

/// What a word looks like where options may come.
enum Kind<'w> {
    Operand,
    Options(Vec<Typed<'w>>, &'static [State]),
    Terminator,
}

/// What a word is in one reading.
enum Role<'k, 'w> {
    Operand,
    Options(&'k [Typed<'w>]),
    /// A value or `--`.
    Other,
}

/// How a walk over all readings ended.
enum Walked<'w, P> {
    End(Vec<P>),
    Stopped(&'w str),
    Doubtful(&'w str),
}

/// An option as a caller typed it, without its value.
#[derive(Debug, Clone, Copy)]
enum Typed<'w> {
    Long(&'w str),
    Short(char),
    Word(&'w str),
}

impl Typed<'_> {
    fn text(&self) -> String {
        match self {
            Self::Long(text) | Self::Word(text) => (*text).to_owned(),
            Self::Short(letter) => format!("-{letter}"),
        }
    }

    /// Whether this can stand for `name`.
    fn is(&self, name: &OptionName) -> bool {
        match self {
            // Some programs of this kind take `--name` for `-name`, and others have both.
            Self::Word(text) => {
                text.trim_start_matches('-') == name.as_str().trim_start_matches('-')
            }
            Self::Long(_) | Self::Short(_) => self.is_written_as(name),
        }
    }

    /// Whether this is `name` and nothing else.
    fn is_written_as(&self, name: &OptionName) -> bool {
        match self {
            Self::Long(text) | Self::Word(text) => *text == name.as_str(),
            Self::Short(letter) => name.short() == Some(*letter),
        }
    }

    /// Whether `getopt_long` takes this for `name` where no other option starts so.
    fn abbreviates(&self, name: &OptionName) -> bool {
        match self {
            Self::Long(text) => name.as_str().len() > text.len() && name.as_str().starts_with(text),
            Self::Short(_) | Self::Word(_) => false,
        }
    }
}

/// How far the operands of one reading agree with each pattern.
#[derive(Debug, Clone, PartialEq)]
struct Progress {
    /// Operands seen, counted no further than makes a difference.
    count: usize,
    /// The patterns that still agree, by index.
    alive: Vec<usize>,
}

impl Progress {
    fn start(patterns: &[Operands]) -> Self {
        Self { count: 0, alive: (0..patterns.len()).collect() }
    }

    fn step(&self, patterns: &[Operands], word: &str) -> Self {
        let agrees = |pattern: &Operands| match pattern.words().get(self.count) {
            Some(glob) => glob.matches(word),
            None => pattern.rest(),
        };
        let alive: Vec<usize> =
            self.alive.iter().copied().filter(|at| agrees(&patterns[*at])).collect();
        let longest = alive.iter().map(|at| patterns[*at].words().len()).max().unwrap_or(0);
        Self { count: (self.count + 1).min(longest + 1), alive }
    }

    fn matched<'p>(&self, patterns: &'p [Operands]) -> Option<&'p Operands> {
        self.alive.iter().map(|at| &patterns[*at]).find(|pattern| pattern.takes(self.count))
    }
}

/// What a rule does not let pass.
struct Found {
    word: Option<String>,
    hint: Option<String>,
}

impl Found {
    fn word(word: &str) -> Self {
        Self { word: Some(shown(word)), hint: None }
    }

    fn doubtful(word: &str) -> Self {
        let hint = "too many options could take the word after them as a value: \
                    write `--name=value`, or fewer options";
        Self { word: Some(shown(word)), hint: Some(hint.to_owned()) }
    }
}

/// A caller's word for a message: short, and harmless on a terminal.
pub(crate) fn shown(word: &str) -> String {
    let mut text: String = word.chars().take(80).flat_map(escaped).collect();
    if word.chars().nth(80).is_some() {
        text.push('…');
    }
    text
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    // `escape_debug` would also escape quotes and combining marks; the latter is wanted, as are
    // invisible and direction-changing characters.
    let plain = matches!(c, '"' | '\'' | '\\');
    let raw = plain.then_some(c);
    let escaped = (!plain).then(|| c.escape_debug());
    raw.into_iter().chain(escaped.into_iter().flatten())
}
