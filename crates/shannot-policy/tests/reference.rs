//! Compares how rules read command lines with a plain model of `getopt_long(3)`.
//!
//! The model knows every option of an imagined program; the profile knows some of them. Whatever
//! the unknown ones turn out to be, what the profile lets pass must be harmless to the program.

#![expect(clippy::unwrap_used, reason = "a test may fail in its helpers too")]

use std::sync::Arc;

use shannot_policy::profile::Examples;
use shannot_policy::{Argv, Cwd, Locale, Profile, Request, Stages, authorize};

const WORDS: &[&str] = &[
    "-x", "-v", "-f", "-u", "-w", "-uv", "-vx", "-fv", "-uxv", "-u-", "-", "--", "--long", "--lo",
    "--long=1", "--val", "--va", "--val=1", "--unk", "--un", "--unk=1", "--flag", "ok", "bad", "",
];

/// What the imagined program does with its arguments.
#[derive(Default)]
struct Seen {
    options: Vec<String>,
    operands: Vec<String>,
}

#[derive(Clone, Copy)]
struct Program {
    posix: bool,
    /// Whether `-u`, `-w` and `--unk`, which the profile does not name, take a value.
    unknown_valued: [bool; 3],
}

impl Program {
    fn takes_value(self, option: &str) -> bool {
        match option {
            "-v" | "--val" | "--long" => true,
            "-u" => self.unknown_valued[0],
            "-w" => self.unknown_valued[1],
            "--unk" => self.unknown_valued[2],
            _ => false,
        }
    }

    /// getopt_long(3); nothing where the program would end with a message.
    fn read(self, words: &[&str]) -> Option<Seen> {
        let mut seen = Seen::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if *word == "--" {
                seen.operands.extend(rest.by_ref().map(ToString::to_string));
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) =
                    long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
                let mut all = ["long", "val", "unk", "flag"].iter().filter(|o| o.starts_with(name));
                let option = format!("--{}", all.next()?);
                if value.is_none() && self.takes_value(&option) {
                    rest.next()?;
                }
                seen.options.push(option);
            } else if let Some(cluster) = word.strip_prefix('-').filter(|c| !c.is_empty()) {
                for (at, letter) in cluster.char_indices() {
                    let option = format!("-{letter}");
                    let valued = self.takes_value(&option);
                    seen.options.push(option);
                    if valued {
                        if at + 1 == cluster.len() {
                            rest.next()?;
                        }
                        break;
                    }
                }
            } else {
                seen.operands.push((*word).to_owned());
                if self.posix {
                    seen.operands.extend(rest.by_ref().map(ToString::to_string));
                }
            }
        }
        Some(seen)
    }
}

fn profile(syntax: &str, rule: &str) -> Arc<Profile> {
    let text = format!(
        "version = 1\nname = \"t\"\n[commands.p]\nabout = \"x\"\nsyntax = \"{syntax}\"\n\
         valued = [\"-v\", \"--val\"]\nflags = [\"-f\", \"--flag\"]\n\
         rules = [{{ {rule}, why = \"w\" }}]"
    );
    Arc::new(Profile::parse(&text, "t", Examples::Check, &|_| Err(String::new())).unwrap())
}

fn passes(profile: &Arc<Profile>, words: &[&str]) -> bool {
    let argv = Argv::from_words(std::iter::once("p").chain(words.iter().copied())).unwrap();
    let request = Request {
        profile: "t".parse().unwrap(),
        stages: Stages::new(vec![argv]).unwrap(),
        cwd: Cwd::Root,
        timeout: None,
        locale: Locale::default(),
    };
    authorize(profile, request).is_ok()
}

/// Every command line of two or three words and some of four, under every program.
fn check(rule: &str, harmless: impl Fn(&Seen) -> bool) {
    for (syntax, posix) in [("getopt", false), ("posix", true)] {
        let profile = profile(syntax, rule);
        let mut passed = 0;
        let mut try_line = |words: &[&str]| {
            if !passes(&profile, words) {
                return;
            }
            passed += 1;
            for bits in 0..8 {
                let unknown_valued = [bits & 1 != 0, bits & 2 != 0, bits & 4 != 0];
                let seen = Program { posix, unknown_valued }.read(words);
                if let Some(seen) = seen.filter(|seen| !harmless(seen)) {
                    panic!("{syntax}, {rule}: {words:?} {:?} {:?}", seen.options, seen.operands);
                }
            }
        };
        let count = WORDS.len();
        for number in 0..count.pow(4) {
            let at = |place: u32| WORDS[number / count.pow(place) % count];
            let line = [at(0), at(1), at(2), at(3)];
            if number % 97 == 0 {
                try_line(&line);
            }
            if number < count.pow(3) {
                try_line(&line[..3]);
            }
            if number < count.pow(2) {
                try_line(&line[..2]);
            }
        }
        assert!(passed > 1000, "{syntax}, {rule}: only {passed} lines pass at all");
    }
}

#[test]
fn no_denied_option_reaches_the_program() {
    check("deny_options = [\"-x\", \"--long\"]", |seen| {
        !seen.options.iter().any(|option| option == "-x" || option == "--long")
    });
}

#[test]
fn only_allowed_options_reach_the_program() {
    check("allow_options = [\"-v\", \"-f\", \"--val\"]", |seen| {
        seen.options.iter().all(|option| ["-v", "-f", "--val"].contains(&option.as_str()))
    });
}

#[test]
fn only_allowed_operands_reach_the_program() {
    check("allow_operands = [\"\", \"ok **\"]", |seen| {
        seen.operands.first().is_none_or(|operand| operand == "ok")
    });
}

#[test]
fn no_denied_operands_reach_the_program() {
    check("deny_operands = [\"bad **\", \"* bad\"]", |seen| {
        let bad = |at: usize| seen.operands.get(at).is_some_and(|operand| operand == "bad");
        !(bad(0) || bad(1) && seen.operands.len() == 2)
    });
}
