//! Argument rules against a model of what programs do with words: no way of writing an option hides
//! it from a rule, and no rule that is added lets more pass.
//!
//! The input is a text as `shannot_fuzz::case` describes it.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use shannot_fuzz::case::Case;
use shannot_fuzz::getopt::Read;
use shannot_fuzz::{ask, bare_profile, glob, is_obeyed};
use shannot_policy::profile::{BOX_PATH, Command, CommandPattern, Matcher, Rule, Syntax};
use shannot_policy::{Argv, Denial, Profile};

fuzz_target!(|text: &str| {
    let Some(case) = Case::read(text) else { return };
    let profile = profile(vec![case.command.clone()]);
    let verdict = held("x", &case, &profile);
    assert_eq!(held("x", &case, &profile), verdict, "the same question got another answer");
    if let Err(denial) = &verdict {
        let shown = denial.to_string();
        assert!(!shown.contains(is_obeyed), "{shown:?}");
    }
    against_the_program(&case, verdict.is_ok());
    added_rules(&case, verdict.is_ok());
    spellings(&case, &profile, &verdict);
    globs_behind(&case, &verdict);
});

fn profile(commands: Vec<Command>) -> Arc<Profile> {
    Arc::new(Profile { commands, ..bare_profile() })
}

fn held(program: &str, case: &Case, profile: &Arc<Profile>) -> Result<(), Denial> {
    let words = [program.to_owned()].into_iter().chain(case.words.iter().cloned());
    let argv = Argv::from_words(words).expect("they are words, and few");
    ask(profile, argv).map(|_| ())
}

/// What passes is harmless once the program has read it; what is harmless and leaves no doubt
/// passes.
fn against_the_program(case: &Case, passes: bool) {
    let Some(read) = case.program.read(&case.words) else { return };
    let verdicts: Option<Vec<bool>> = case
        .command
        .rules
        .iter()
        .map(|rule| lets_pass(&rule.matcher, &case.words, &read))
        .collect();
    let Some(verdicts) = verdicts else { return };
    let harmless = verdicts.iter().all(|passes| *passes);
    assert!(!passes || harmless, "it should be denied: the program reads {read:?}");
    // `find` takes `--name` for `-name` here and there, and all is one option to the rules.
    let certain = read.exact
        && case.command.syntax != Syntax::Find
        && read.options.iter().all(|name| is_named(&case.command, name));
    assert!(passes || !harmless || !certain, "it should pass: the program reads {read:?}");
}

fn is_named(command: &Command, name: &str) -> bool {
    let rules = command.rules.iter().flat_map(|rule| rule.matcher.options());
    command.valued.iter().chain(&command.flags).chain(rules).any(|own| own.as_str() == name)
}

/// Whether a rule should let pass what a program has read. None where the model cannot tell.
fn lets_pass(matcher: &Matcher, words: &[String], read: &Read) -> Option<bool> {
    let names = |name: &String| matcher.options().iter().any(|own| own.as_str() == name);
    let any_takes = |sequences: &[shannot_policy::profile::Operands]| {
        let mut any = false;
        for sequence in sequences {
            any |= glob::takes(&sequence.to_string(), &read.operands)?;
        }
        Some(any)
    };
    Some(match matcher {
        Matcher::AllowOptions(_) => read.options.iter().all(names),
        Matcher::DenyOptions(_) => !read.options.iter().any(names),
        Matcher::AllowOperands(sequences) => any_takes(sequences)?,
        Matcher::DenyOperands(sequences) => !any_takes(sequences)?,
        Matcher::DenyWords(globs) => {
            let mut any = false;
            for (pattern, word) in globs.iter().flat_map(|g| words.iter().map(move |w| (g, w))) {
                any |= glob::matches(pattern.as_str(), word)?;
            }
            !any
        }
    })
}

/// Whatever a profile of the working directory adds, and whatever denying rule the profile itself
/// gains, nothing passes that did not.
fn added_rules(case: &Case, passed: bool) {
    for rule in &case.added {
        let denies = match rule.matcher {
            Matcher::DenyOptions(_) | Matcher::DenyOperands(_) | Matcher::DenyWords(_) => true,
            Matcher::AllowOptions(_) | Matcher::AllowOperands(_) => false,
        };
        for layer in if denies { vec![0, 1] } else { vec![1] } {
            let mut command = case.command.clone();
            command.rules.push(Rule { layer, ..rule.clone() });
            let passes = held("x", case, &profile(vec![command])).is_ok();
            assert!(!passes || passed, "{rule:?} lets pass what was denied");
        }
    }
}

/// A bare name's rules hold for its paths too, word for word.
fn spellings(case: &Case, profile: &Arc<Profile>, verdict: &Result<(), Denial>) {
    for dir in BOX_PATH.split(':') {
        let by_path = held(&format!("{dir}/x"), case, profile);
        let program = |denial: &Denial| Denial { program: "x".into(), ..denial.clone() };
        assert_eq!(by_path.as_ref().map_err(program), verdict.as_ref().map_err(Clone::clone));
    }
    for other in ["/opt/x", "/usr/bin/y", "y", "/usr/bin/x/x"] {
        assert!(held(other, case, profile).is_err(), "`{other}` is no spelling of `x`");
    }
}

/// What a name's own rules deny, no glob and no path allows.
fn globs_behind(case: &Case, verdict: &Result<(), Denial>) {
    let mut commands = vec![case.command.clone()];
    for key in ["/usr/bin/x", "*", "/usr/bin/*", "[wx]"] {
        let pattern: CommandPattern = key.parse().expect("it is a key");
        commands.push(Command { pattern, rules: Vec::new(), ..case.command.clone() });
    }
    let wide = profile(commands);
    for program in ["x", "/usr/bin/x"] {
        assert_eq!(held(program, case, &wide).is_ok(), verdict.is_ok(), "a glob took `{program}`");
    }
    // An empty list allows nothing.
    assert!(held("x", case, &profile(Vec::new())).is_err());
}
