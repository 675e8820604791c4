//! One case of the target `rules`, as a small text that stays a case whatever a fuzzer does to it:
//! a line's first letter says what its words are, and what cannot be read is left out.
//!
//! ```text
//! g                   syntax: g(etopt), p(osix), f(ind) or n(one)
//! v -k --key          options that the profile names as valued
//! f -r                options that it names as flags
//! s -s --long         options that the program has besides, without a value
//! x -u                such options with a value
//! t --colour          such options with a value that is always attached
//! d -o --output       a rule: deny_options
//! a -o                a rule: allow_options
//! D status **         a rule: deny_operands, one sequence
//! A status **         a rule: allow_operands, one sequence
//! w *secret*          a rule: deny_words
//! +d -q               a rule that a profile of the working directory adds
//! > -k 2 file         the words of the command line
//! ```

use shannot_policy::profile::{Command, CommandPattern, Matcher, OptionName, Rule, Syntax};

use crate::getopt::{Program, Takes, Way};

/// A case.
#[derive(Debug)]
pub struct Case {
    /// The command with the profile's own rules.
    pub command: Command,
    /// The rules that are added by one that tightens.
    pub added: Vec<Rule>,
    /// The program that the command is for.
    pub program: Program,
    /// The words.
    pub words: Vec<String>,
}

/// More words than that make the model slow, and no new case.
const MOST_WORDS: usize = 24;

impl Case {
    /// Reads a case. None of a text with a NUL, which no word can have.
    pub fn read(text: &str) -> Option<Self> {
        if text.contains('\0') {
            return None;
        }
        let mut case = Self {
            command: crate::bare_command(CommandPattern::Bare("x".to_owned()), Syntax::Getopt),
            added: Vec::new(),
            program: Program { way: Way::Permute, options: Vec::new() },
            words: Vec::new(),
        };
        text.lines().for_each(|line| case.syntax(line));
        text.lines().for_each(|line| case.line(line));
        case.name_options();
        Some(case)
    }

    fn syntax(&mut self, line: &str) {
        (self.command.syntax, self.program.way) = match line {
            "g" => (Syntax::Getopt, Way::Permute),
            "p" => (Syntax::Posix, Way::UpToOperand),
            "f" => (Syntax::Find, Way::Words),
            "n" => (Syntax::Plain, Way::None),
            _ => return,
        };
    }

    fn line(&mut self, line: &str) {
        let (added, line) = line.strip_prefix('+').map_or((false, line), |line| (true, line));
        let Some((kind, rest)) = line.split_at_checked(1) else { return };
        let words = || rest.split_whitespace().take(MOST_WORDS);
        let names = || -> Vec<OptionName> { words().filter_map(|word| self.name(word)).collect() };
        let matcher = match kind {
            "v" => return self.command.valued = names(),
            "f" => return self.command.flags = names(),
            "s" => return self.besides(names(), Takes::Nothing),
            "x" => return self.besides(names(), Takes::Value),
            "t" => return self.besides(names(), Takes::Attached),
            ">" => return self.words = words().map(str::to_owned).collect(),
            "a" => Matcher::AllowOptions(names()),
            "d" => Matcher::DenyOptions(names()),
            "A" => Matcher::AllowOperands(rest.parse().into_iter().collect()),
            "D" => Matcher::DenyOperands(rest.parse().into_iter().collect()),
            "w" => Matcher::DenyWords(words().filter_map(|word| word.parse().ok()).collect()),
            _ => return,
        };
        // The format has no such rule.
        let is_empty = match &matcher {
            Matcher::AllowOptions(_) => false,
            Matcher::DenyOptions(names) => names.is_empty(),
            Matcher::AllowOperands(list) | Matcher::DenyOperands(list) => list.is_empty(),
            Matcher::DenyWords(globs) => globs.is_empty(),
        };
        if !is_empty {
            let list = if added { &mut self.added } else { &mut self.command.rules };
            let rule = Rule {
                matcher,
                why: "w".to_owned(),
                layer: u8::from(added),
                allow: vec![],
                deny: vec![],
            };
            list.push(rule);
        }
    }

    /// An option that a profile may name and the model knows: `getopt` takes bytes, not characters.
    fn name(&self, word: &str) -> Option<OptionName> {
        let name: OptionName = word.parse().ok()?;
        let fits = match self.command.syntax {
            Syntax::Getopt | Syntax::Posix => name.short().is_some() || word.starts_with("--"),
            Syntax::Find => true,
            Syntax::Plain => false,
        };
        (fits && word.is_ascii()).then_some(name)
    }

    fn besides(&mut self, names: Vec<OptionName>, takes: Takes) {
        let new = names.into_iter().map(|name| (name.as_str().to_owned(), takes));
        self.program.options.extend(new);
    }

    /// Gives the program the options that the profile names, as the profile says they are. The
    /// profile is right about them: what it names wrongly no rule can mend.
    fn name_options(&mut self) {
        let mut options: Vec<(String, Takes)> = Vec::new();
        let mut add = |name: &str, takes| {
            if !options.iter().any(|(own, _)| own == name) {
                options.push((name.to_owned(), takes));
            }
        };
        let Command { valued, flags, rules, .. } = &self.command;
        valued.iter().for_each(|name| add(name.as_str(), Takes::Value));
        flags.iter().for_each(|name| add(name.as_str(), Takes::Nothing));
        // "An option that a rule names and `valued` does not is one of these too."
        let own = rules.iter().flat_map(|rule| rule.matcher.options());
        own.for_each(|name| add(name.as_str(), Takes::Nothing));
        self.program.options.iter().for_each(|(name, takes)| add(name, *takes));
        self.program.options = options;
    }
}
